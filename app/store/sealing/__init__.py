"""Texts sealed at rest, and where the keys of people are kept: apart from the data."""
