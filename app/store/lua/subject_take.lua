-- Put a person into a subject's place, where nobody is in it, or only who was there before.
--
-- KEYS: 1 subject
-- ARGV: 1 the person who was found there and is gone ('' for none), 2 new person, 3 ttl (seconds)
-- Returns: the person who is there now
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[1] then
  return there
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return ARGV[2]
