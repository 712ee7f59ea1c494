"""How callers are checked: people's tokens, API keys, administrators' sessions."""
