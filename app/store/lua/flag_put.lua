-- Make or replace a flag.
--
-- KEYS: 1 definitions, 2 states, 3 version
-- ARGV: 1 flag key, 2 definition (JSON without state), 3 state, 4 version expected ('' for any),
--       5 flags that there may be
-- Returns: {'ok', new version}, {'conflict', version}, {'full'}
local version = redis.call('GET', KEYS[3]) or '0'
if ARGV[4] ~= NONE and ARGV[4] ~= version then
  return { 'conflict', version }
end
local new = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if new and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  return { 'full' }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return { 'ok', redis.call('INCR', KEYS[3]) }
