"""Redis: contexts, facts, reactions, flags; one Lua round trip a step (`lua/`).

A noun is a file here. Beside them: `link/`, the connection and when it is given up; `sealing/`,
people's keys; `privacy/`, erasure and retention; `spool/`, promises while Redis is away; `access/`,
who may come in; `server/`, a Redis of our own.
"""
