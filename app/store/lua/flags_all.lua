-- Read all flags as of one version.
--
-- KEYS: 1 definitions, 2 states, 3 version
-- ARGV: none
-- Returns: {version, {key, definition (JSON without state), …}, {key, state, …}}
return {
  redis.call('GET', KEYS[3]) or '0', redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]),
}
