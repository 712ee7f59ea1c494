"""Benchmarks: what Kindred does in a second, beside the same thing done plainly."""
