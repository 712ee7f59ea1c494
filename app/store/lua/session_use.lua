-- Read a session that lives, and note its use now and then.
--
-- KEYS: 1 session
-- ARGV: 1 now, 2 idle ttl (seconds), 3 seconds between two notes
-- Returns: key, proof, end; or nothing
local found = redis.call('HMGET', KEYS[1], 'key', 'proof', 'end', 'seen')
if not found[1] then
  return {}
end
local now, idle = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = tonumber(found[3]) - now
if left <= 0 or now - tonumber(found[4]) > idle then
  redis.call('UNLINK', KEYS[1])
  return {}
end
if now - tonumber(found[4]) >= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'seen', ARGV[1])
  redis.call('EXPIRE', KEYS[1], math.ceil(math.min(idle, left)))
end
return { found[1], found[2], found[3] }
