"""Flag evaluation and analysis: pure functions, no I/O."""
