-- Delete a flag.
--
-- KEYS: 1 definitions, 2 states, 3 version
-- ARGV: 1 flag key, 2 version expected ('' for any)
-- Returns: {'ok', new version}, {'conflict', version}, {'not-found'}
local version = redis.call('GET', KEYS[3]) or '0'
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return { 'not-found' }
end
if ARGV[2] ~= NONE and ARGV[2] ~= version then
  return { 'conflict', version }
end
version = redis.call('INCR', KEYS[3])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return { 'ok', version }
