-- Leave a tombstone in the person's place: from now on every script refuses them.
--
-- KEYS: 1 person
-- ARGV: 1 now, 2 ttl (seconds), longer than any token lives
-- Returns: the generation, which no token has
--
-- What takes something away comes first: after it a Redis whose memory is full lets a script go on,
-- and whoever erases themselves makes room.
redis.call('HDEL', KEYS[1], 'seen', 'since', 'traits')
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'state', 'erased', 'erased', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return generation
