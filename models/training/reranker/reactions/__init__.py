"""New heads from people's reactions, on the served reranker as it stands."""
