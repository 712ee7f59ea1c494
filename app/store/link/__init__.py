"""The way to Redis: a client that sends once, its connections, and when not to ask at all."""
