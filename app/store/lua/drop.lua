-- Delete conversations that fell off the person's list; one that was used since is listed again,
-- and stays.
--
-- KEYS: 1 conversations, 2 owned, then conversation and turns of each
-- ARGV: their ids, in order
-- Returns: how many were deleted
local deleted = 0
for i, id in ipairs(ARGV) do
  local conversation, turns = KEYS[2 * i + 1], KEYS[2 * i + 2]
  if not redis.call('ZSCORE', KEYS[1], id) then
    redis.call('UNLINK', conversation, turns)
    redis.call('ZREM', KEYS[2], conversation, turns)
    deleted = deleted + 1
  end
end
return deleted
