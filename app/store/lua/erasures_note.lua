-- Note in the data which erasures they have seen; what is older than the ledger keeps goes.
--
-- KEYS: 1 erased
-- ARGV: 1 oldest that is kept, then name and time of each
-- Returns: nothing
--
-- What takes something away comes first, as in person_erase.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
end
