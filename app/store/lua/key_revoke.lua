-- End an API key for good: no secret of it is kept. A key that was revoked stays as it is.
--
-- KEYS: 1 api key
-- ARGV: 1 now
-- Returns: 1, or 0 where there is no such key
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSETNX', KEYS[1], 'revoked', ARGV[1])
redis.call('HSET', KEYS[1], 'digest', NONE)
redis.call('HDEL', KEYS[1], 'old_digest', 'old_until')
return 1
