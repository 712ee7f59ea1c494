-- Keep a new API key, unless its prefix is taken.
--
-- KEYS: 1 api key, 2 list of api keys
-- ARGV: 1 prefix, 2 now, 3… field, value
-- Returns: 1, or 0 where the prefix is taken
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1
