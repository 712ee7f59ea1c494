-- Set a flag's state.
--
-- KEYS: 1 definitions, 2 states, 3 version
-- ARGV: 1 flag key, 2 state (ENABLED or DISABLED)
-- Returns: {'ok', version}, {'not-found'}
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return { 'not-found' }
end
local version = redis.call('GET', KEYS[3]) or '0'
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  version = redis.call('INCR', KEYS[3])
end
return { 'ok', version }
