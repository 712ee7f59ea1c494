"""Tuning of a trained generator: by a reward under a KL leash, or on preferences."""
