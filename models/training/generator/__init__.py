"""Training of the generator: data, loop, export."""
