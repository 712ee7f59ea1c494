"""What the edge asks of the store about callers: API keys, sessions, and whom others vouch for."""
