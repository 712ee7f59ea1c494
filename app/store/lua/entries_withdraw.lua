-- Delete an erased person's entries of a stream; those of `events` stay noted as withdrawn.
--
-- KEYS: 1 stream, 2 withdrawn (of `events` alone)
-- ARGV: 1 oldest note that is kept (milliseconds), 2 ttl (seconds), then the ids
-- Returns: nothing
--
-- What takes something away comes first, as in person_erase.
for i = 3, #ARGV do
  redis.call('XDEL', KEYS[1], ARGV[i])
end
if KEYS[2] then
  for i = 3, #ARGV do
    redis.call('ZADD', KEYS[2], string.match(ARGV[i], '^%d+'), ARGV[i])
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
