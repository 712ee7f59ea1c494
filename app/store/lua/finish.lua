-- Write the reply to a turn: the turn, the impression, facts, the stored answer, the event.
-- A second call for the same reply changes nothing, and of two attempts at one turn the first wins.
--
-- KEYS: 1 person, 2 conversations, 3 conversation, 4 turns, 5 recent, 6 impression, 7 owned,
--       8 events, 9 facts, 10… idempotency records
-- ARGV: 1 now, 2 now in milliseconds, 3 user id, 4 conversation id, 5 answered turn id, 6 reply id,
--       7 turn tail, 8 tokens, 9 variants (JSON), 10 sealed impression, 11 sealed line, 12 ttl,
--       13 person ttl, 14 turns_max, 15 tokens_max, 16 events_max, 17 recent_max, 18 '',
--       19 reaction ttl, 20 fingerprint, 21 sealed answer, 22 idempotency ttl,
--       23 '1' where the conversation is marked, 24 facts_max, 25 '1' where the reply discloses
--       what Kindred is, 26 '1' where it reminds of a break, 27 the marks that its message has
--       found, 28 the one that stands for them, 29 how many facts to forget, their digests…, then
--       digest and '<created> <id> <sealed>' of each fact learned
-- Returns: {'ok'}, {'stored', sealed answer}, {'unauthenticated'}, {'not-found'}
if not person_is(KEYS[1]) then
  return { 'unauthenticated' }
end
local records = from(KEYS, 10)
for _, key in ipairs(records) do
  local r = redis.call('HMGET', key, 'state', 'answer')
  if r[1] == 'done' then
    remember_answer(records, ARGV[20], r[2], ARGV[22])
    own(KEYS[7], ARGV[1], ARGV[22], unpack(records))
    return { 'stored', r[2] }
  end
end
if redis.call('HGET', KEYS[3], 'user') ~= ARGV[3] then
  return { 'not-found' }
end
if redis.call('EXISTS', KEYS[6]) == 1 then
  return { 'ok' }
end

show(KEYS, ARGV)
-- Marks that came since stay, and so does what another reply has put in the place of some of these.
-- All are of one length.
local marks, size, seen, since = redis.call('HGET', KEYS[3], 'marks') or NONE, #ARGV[28], {}, {}
for i = 1, #ARGV[27], size do
  seen[string.sub(ARGV[27], i, i + size - 1)] = true
end
for i = 1, #marks, size do
  local mark = string.sub(marks, i, i + size - 1)
  if not seen[mark] then
    since[#since + 1] = mark
  end
end
redis.call('HSET', KEYS[3], 'marks', ARGV[28] .. table.concat(since))
if ARGV[23] == '1' then
  redis.call('HDEL', KEYS[3], 'crisis') -- where an earlier release kept it, in clear
end
if ARGV[25] == '1' then
  redis.call('HSET', KEYS[3], 'disclosed', ARGV[1])
end
if ARGV[26] == '1' then
  redis.call('HSET', KEYS[1], 'since', ARGV[1])
end
local position, forgotten = 30, tonumber(ARGV[29])
for i = position, position + forgotten - 1 do
  redis.call('HDEL', KEYS[9], ARGV[i])
end
for i = position + forgotten, #ARGV, 2 do
  redis.call('HSET', KEYS[9], ARGV[i], ARGV[i + 1])
end
bound(KEYS[9], ARGV[24])
expire(ARGV[12], KEYS[9])
if #records > 0 then
  remember_answer(records, ARGV[20], ARGV[21], ARGV[22])
  own(KEYS[7], ARGV[1], ARGV[22], unpack(records))
end
return { 'ok' }
