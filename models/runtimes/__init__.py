"""How a model runs: one file for each runtime."""
