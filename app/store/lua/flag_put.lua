-- Make or replace a flag.
--
-- KEYS: 1 definitions, 2 states, 3 version
-- ARGV: 1 flag key, 2 definition (JSON without state), 3 state, 4 version expected ('' for any)
-- Returns: {'ok', new version}, {'conflict', version}
local version = redis.call('GET', KEYS[3]) or '0'
if ARGV[4] ~= NONE and ARGV[4] ~= version then
  return { 'conflict', version }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return { 'ok', redis.call('INCR', KEYS[3]) }
