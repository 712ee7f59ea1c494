"""What a person's own past reactions add to a reranker, measured within each person."""
