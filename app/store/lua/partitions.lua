-- Note how many partitions are in use; the largest number ever stays, so that listings miss none.
--
-- KEYS: 1 the number
-- ARGV: 1 the partitions of this process
-- Returns: the largest
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > known then
  known = tonumber(ARGV[1])
  redis.call('SET', KEYS[1], known)
end
return known
