-- Make a person.
--
-- KEYS: 1 person
-- ARGV: 1 now, 2 ttl (seconds), 3 '' or when the tokens of who was there before were ended
-- Returns: the generation of the person's tokens
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'state', 'live', 'generation', 1, 'created', ARGV[1])
  if ARGV[3] ~= '' then
    redis.call('HSET', KEYS[1], 'revoked', ARGV[3])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return tonumber(redis.call('HGET', KEYS[1], 'generation'))
