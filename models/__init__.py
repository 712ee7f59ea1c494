"""Models as pure batch functions: prompt, generator, reranker, encoder, and their training."""
