"""A soak: people talk and react for an hour while Redis and the worker are killed; what is kept?"""
