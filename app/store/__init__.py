"""Redis: contexts, facts, reactions, flags; one Lua round trip a step."""
