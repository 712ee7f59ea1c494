-- Give an API key a new secret; the present one holds until its time is up.
--
-- KEYS: 1 api key
-- ARGV: 1 digest of the new secret, 2 end of the present one (Unix seconds)
-- Returns: 1, or 0 where there is no such key or it was revoked
local digest = redis.call('HGET', KEYS[1], 'digest')
if not digest or redis.call('HEXISTS', KEYS[1], 'revoked') == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'old_digest', digest, 'old_until', ARGV[2])
return 1
