"""Which versions of the models are loaded, how they are checked, and how they change."""
