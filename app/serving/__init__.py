"""Batchers, load control and the engine that owns the models."""
