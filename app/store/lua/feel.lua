-- Note how the person feels after a conversation.
--
-- KEYS: 1 person, 2 conversation, 3 events, 4 owned
-- ARGV: 1 now in milliseconds, 2 user id, 3 conversation id, 4 feeling, 5 ttl, 6 events_max, 7 now
-- Returns: {'ok'}, {'unauthenticated'}, {'not-found'}
if not person_is(KEYS[1]) then
  return { 'unauthenticated' }
end
local found = redis.call('HMGET', KEYS[2], 'user', 'feeling')
if found[1] ~= ARGV[2] then
  return { 'not-found' }
end
if found[2] ~= ARGV[4] then
  add_event(ARGV[1], ARGV[5], ARGV[6], {
    'type', 'feeling', 'user', ARGV[2], 'conversation', ARGV[3], 'feeling', ARGV[4],
    'previous', found[2] or NONE,
  }, KEYS[3])
  redis.call('HSET', KEYS[2], 'feeling', ARGV[4])
end
own(KEYS[4], ARGV[7], ARGV[5], KEYS[2])
expire(ARGV[5], KEYS[2])
return { 'ok' }
