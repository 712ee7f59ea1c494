-- Make every token that the person holds fail.
--
-- KEYS: 1 person
-- ARGV: 1 ttl (seconds), 2 now: what an identity provider issued before it holds no longer,
--       3 generation of the token that asks ('' for any)
-- Returns: the new generation; 0 where there is no such person, -1 where the token itself was
--          revoked since it was looked at: whoever ended it shall not be outrun by who holds it
if not person_is(KEYS[1]) then
  return 0
end
if ARGV[3] ~= NONE and not person_is(KEYS[1], ARGV[3]) then
  return -1
end
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSET', KEYS[1], 'revoked', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return generation
