-- End the leases of keys whose attempt was given up: a retry may run at once. Keys that another
-- attempt holds by now stay its own.
--
-- KEYS: idempotency records
-- ARGV: 1 attempt
-- Returns: how many were this attempt's
local ended = 0
for _, key in ipairs(KEYS) do
  local r = redis.call('HMGET', key, 'state', 'attempt')
  if r[1] == 'pending' and (r[2] or NONE) == ARGV[1] then
    redis.call('HSET', key, 'lease', 0)
    ended = ended + 1
  end
end
return ended
