-- Make every token that the person holds fail.
--
-- KEYS: 1 person
-- ARGV: 1 ttl (seconds), 2 now: what an identity provider issued before it holds no longer
-- Returns: the new generation, or 0 where there is no such person
if not person_is(KEYS[1]) then
  return 0
end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'revoked', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return generation
