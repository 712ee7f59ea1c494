-- Set, replace or retract the reaction to a reply: its state, its event and the taste, at once.
--
-- A request is told once, though it may be sent again. One that was promised while the store was
-- away and comes behind a later one is noted as an event of the type 'superseded', and the later
-- one stands.
--
-- KEYS: 1 person, 2 impression, 3 tastes, 4 owned, 5 events, 6 reactions
-- ARGV: 1 now, 2 milliseconds when it was asked for, 3 user id, 4 reply id, 5 reaction ('' retracts),
--       6 sealed comment ('' for none), 7 digest of the comment, 8 '<created> <sealed taste>'
--       ('' for none), 9 ttl, 10 person ttl, 11 events_max, 12 tastes_max,
--       13 generation of the token ('' for any), 14 operation ('' for none), 15 '1' where it was
--       promised before
-- Returns: {'ok', event id, action, previous reaction ('' for none)},
--       {'unchanged'}, {'unauthenticated'}, {'not-found'}
local generation = ARGV[13]
if generation == NONE then
  generation = nil
end
if not person_is(KEYS[1], generation) then
  return { 'unauthenticated' }
end
local shown = redis.call('HMGET', KEYS[2], 'user', 'reaction', 'comment_digest', 'conversation',
  'variants', 'ops', 'asked')
if shown[1] ~= ARGV[3] then
  return { 'not-found' }
end
local reaction, previous = ARGV[5], shown[2] or NONE
local ops, asked = shown[6], tonumber(shown[7] or '0')
if happened(ops, ARGV[14]) then
  note_op(KEYS[2], ops, ARGV[14], asked)
  return { 'unchanged' }
end
local late = ARGV[15] == '1' and tonumber(ARGV[2]) < asked

-- The same tap again, with the same comment or none, says nothing new.
if not late and reaction == previous and (ARGV[7] == NONE or ARGV[7] == (shown[3] or NONE)) then
  note_op(KEYS[2], ops, ARGV[14], ARGV[2])
  -- It may bring the taste that was missing: the encoder was late the first time.
  if reaction ~= NONE and ARGV[8] ~= NONE and redis.call('HSETNX', KEYS[3], ARGV[4], ARGV[8]) == 1 then
    bound(KEYS[3], ARGV[12])
    expire(ARGV[9], KEYS[3])
  end
  return { 'unchanged' }
end
local action = 'replaced'
if late then
  action = 'superseded'
elseif previous == NONE then
  action = 'made'
elseif reaction == NONE then
  action = 'retracted'
end

local id = add_event(ARGV[2], ARGV[9], ARGV[11], {
  'type', action, 'user', ARGV[3], 'reply', ARGV[4], 'conversation', shown[4],
  'reaction', reaction, 'previous', previous, 'variants', shown[5],
}, KEYS[5], KEYS[6])
if late then
  note_op(KEYS[2], ops, ARGV[14], asked)
  return { 'ok', id, action, previous }
end
note_op(KEYS[2], ops, ARGV[14], ARGV[2])
redis.call('HDEL', KEYS[2], 'reaction', 'comment', 'comment_digest')
redis.call('HSET', KEYS[2], 'event', id)
if reaction ~= NONE then
  redis.call('HSET', KEYS[2], 'reaction', reaction)
end
if ARGV[6] ~= NONE then
  redis.call('HSET', KEYS[2], 'comment', ARGV[6], 'comment_digest', ARGV[7])
end
if ARGV[8] ~= NONE then
  redis.call('HSET', KEYS[3], ARGV[4], ARGV[8])
  bound(KEYS[3], ARGV[12])
elseif reaction ~= previous then  -- what the reply said of the taste no longer holds
  redis.call('HDEL', KEYS[3], ARGV[4])
end
own(KEYS[4], ARGV[1], ARGV[9], KEYS[2])
expire(ARGV[9], KEYS[2], KEYS[3])
expire(ARGV[10], KEYS[1])
return { 'ok', id, action, previous }
