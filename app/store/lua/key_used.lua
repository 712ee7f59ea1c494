-- Note the day of an API key's last use; a key that is gone is not made again by it.
--
-- KEYS: 1 api key
-- ARGV: 1 day
-- Returns: 1, or 0 where there is no such key
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'used', ARGV[1])
return 1
