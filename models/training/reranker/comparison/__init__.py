"""Rerankers on the same judgements, recall lists and users, beside the floor: one table."""
