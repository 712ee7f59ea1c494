-- Add a batch of counts, once: a batch whose answer was lost may be sent again.
--
-- KEYS: 1 the writer's last batch, 2… a hash for each month
-- ARGV: 1 the batch's number, 2 ttl of the writer's key, 3 ttl of the months (seconds), then for each
--       count: which of KEYS, field, how many
-- Returns: {'ok'}, {'known'} for a batch that was added before
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return { 'known' }
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for i = 4, #ARGV, 3 do
  local month = KEYS[tonumber(ARGV[i])]
  redis.call('HINCRBY', month, ARGV[i + 1], ARGV[i + 2])
  redis.call('EXPIRE', month, ARGV[3])
end
return { 'ok' }
