-- Keep a new session, and list it under its key.
--
-- KEYS: 1 session, 2 sessions of the key
-- ARGV: 1 key, 2 proof, 3 now, 4 end, 5 idle ttl, 6 life ttl (seconds), 7 sessions of a key at
--       most, 8 name of the session
-- Returns: the names of the oldest sessions over that number, which are listed no more
redis.call('HSET', KEYS[1], 'key', ARGV[1], 'proof', ARGV[2], 'seen', ARGV[3], 'end', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[6])
local last = -1 - tonumber(ARGV[7])
local surplus = redis.call('ZRANGE', KEYS[2], 0, last)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, last)
return surplus
