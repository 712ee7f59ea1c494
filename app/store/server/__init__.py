"""A Redis server of Kindred's own, where none is given."""
