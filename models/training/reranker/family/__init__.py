"""The family of rerankers: their networks, how they are trained, distilled, kept and opened."""
