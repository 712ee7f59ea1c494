-- Note how the person feels after a conversation. A request is told once, though it may be sent
-- again; one that was promised while the store was away and comes behind a later one changes nothing
-- but the log, where its type is 'superseded-feeling'. Feelings are hidden by the person's key, of
-- one length and the same for the same word; earlier releases kept the word itself, which the caller
-- is asked to hide.
--
-- KEYS: 1 person, 2 conversation, 3 events, 4 owned
-- ARGV: 1 milliseconds when it was asked for, 2 user id, 3 conversation id, 4 hidden feeling, 5 ttl,
--       6 events_max, 7 now, 8 ttl of the event, 9 generation of the token ('' for any),
--       10 operation ('' for none), 11 '1' where it was promised before, 12 word in clear that was
--       found at the call before ('' for none), 13 the same hidden
-- Returns: {'ok'}, {'clear', word}: call again with that one hidden, {'unauthenticated'}, {'not-found'}
local generation = ARGV[9]
if generation == NONE then
  generation = nil
end
if not person_is(KEYS[1], generation) then
  return { 'unauthenticated' }
end
local found = redis.call('HMGET', KEYS[2], 'user', 'feeling', 'ops', 'asked')
if found[1] ~= ARGV[2] then
  return { 'not-found' }
end
local ops, asked = found[3], tonumber(found[4] or '0')
if happened(ops, ARGV[10]) then
  note_op(KEYS[2], ops, ARGV[10], asked)
  return { 'ok' }
end
if found[2] and #found[2] < #ARGV[4] then
  if found[2] ~= ARGV[12] then
    return { 'clear', found[2] }
  end
  found[2] = ARGV[13]
  redis.call('HSET', KEYS[2], 'feeling', found[2])
end
local late = ARGV[11] == '1' and tonumber(ARGV[1]) < asked
if late or found[2] ~= ARGV[4] then
  add_event(ARGV[1], ARGV[8], ARGV[6], {
    'type', late and 'superseded-feeling' or 'feeling', 'user', ARGV[2], 'conversation', ARGV[3],
    'feeling', ARGV[4], 'previous', found[2] or NONE,
  }, KEYS[3])
end
note_op(KEYS[2], ops, ARGV[10], late and asked or ARGV[1])
if not late then
  redis.call('HSET', KEYS[2], 'feeling', ARGV[4])
end
own(KEYS[4], ARGV[7], ARGV[5], KEYS[2])
expire(ARGV[5], KEYS[2])
return { 'ok' }
