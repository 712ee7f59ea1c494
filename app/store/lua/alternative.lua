-- Show another candidate in place of a reply; the first alternative of a reply is its only one.
--
-- KEYS: 1 person, 2 conversations, 3 conversation, 4 turns, 5 recent, 6 impression, 7 owned,
--       8 events, 9 impression of the parent
-- ARGV: 1…19 as in finish.lua, 18 the parent's reply id
-- Returns: {'ok'}, {'stored', reply id of the first alternative}, {'unauthenticated'},
--       {'not-found'}
if not person_is(KEYS[1]) then
  return { 'unauthenticated' }
end
local parent = redis.call('HMGET', KEYS[9], 'user', 'alternative')
if parent[1] ~= ARGV[3] or redis.call('HGET', KEYS[3], 'user') ~= ARGV[3] then
  return { 'not-found' }
end
if parent[2] then
  -- Whoever waits for replicas after this then waits for what was there.
  redis.call('HSET', KEYS[9], 'alternative', parent[2])
  return { 'stored', parent[2] }
end
show(KEYS, ARGV)
redis.call('HSET', KEYS[9], 'alternative', ARGV[6])
own(KEYS[7], ARGV[1], ARGV[12], KEYS[9])
expire(ARGV[19], KEYS[9])
return { 'ok' }
