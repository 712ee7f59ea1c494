-- Make a person.
--
-- KEYS: 1 person
-- ARGV: 1 now, 2 ttl (seconds)
-- Returns: the generation of the person's tokens
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'state', 'live', 'generation', 1, 'created', ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return tonumber(redis.call('HGET', KEYS[1], 'generation'))
