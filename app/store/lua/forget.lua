-- Forget one fact, found by its id, or all.
--
-- KEYS: 1 facts
-- ARGV: 1 fact id ('' for all)
-- Returns: how many were forgotten
if ARGV[1] == NONE then
  local count = redis.call('HLEN', KEYS[1])
  redis.call('DEL', KEYS[1])
  return count
end
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  if string.match(entries[i + 1], '^%S+ (%S+) ') == ARGV[1] then
    return redis.call('HDEL', KEYS[1], entries[i])
  end
end
return 0
