-- End the leases of keys whose request was given up: a retry may run at once.
--
-- KEYS: idempotency records
-- ARGV: none
-- Returns: how many were pending
local ended = 0
for _, key in ipairs(KEYS) do
  if redis.call('HGET', key, 'state') == 'pending' then
    redis.call('HSET', key, 'lease', 0)
    ended = ended + 1
  end
end
return ended
