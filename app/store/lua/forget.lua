-- Forget one fact, found by its id.
--
-- KEYS: 1 facts
-- ARGV: 1 fact id
-- Returns: how many were forgotten, 0 or 1
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  if string.match(entries[i + 1], '^%S+ (%S+) ') == ARGV[1] then
    return redis.call('HDEL', KEYS[1], entries[i])
  end
end
return 0
