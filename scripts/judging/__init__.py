"""Judging a candidate model against the one that serves, and promoting it."""
