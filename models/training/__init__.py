"""How the models are trained: corpora, loops, exports."""
