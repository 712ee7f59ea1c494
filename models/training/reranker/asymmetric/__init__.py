"""Training of the reranker that is served: responses attend to a context that is computed once."""
