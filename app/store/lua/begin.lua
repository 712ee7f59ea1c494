-- Save the person's turn under its idempotency keys and read all that answering it needs.
--
-- KEYS: 1 person, 2 conversations, 3 conversation, 4 turns, 5 facts, 6 tastes, 7 recent, 8 owned,
--       9… idempotency records
-- ARGV: 1 now (Unix seconds), 2 generation, 3 user id, 4 conversation id, 5 '1' for a new
--       conversation, 6 turn tail ('<turn id> <sealed turn>'), 7 tokens, 8 fingerprint,
--       9 lease (seconds), 10 ttl, 11 person ttl, 12 idempotency ttl (seconds),
--       13 turns_max, 14 tokens_max, 15 conversations_max, 16 '1' where the message is a crisis,
--       17 seconds without a message after which a talk is a new one, 18 sealed traits,
--       19 '1' where they replace those that are there, 20 ttl of tastes, 21 sealed mark,
--       22 bytes of marks above which only a crisis adds one
-- The attempt is named by the turn id of ARGV[6], fresh at each call, whichever turn it answers.
-- Returns: {'ok', turn id, {the turn that an earlier release marked, or '', marks with this one's},
--       turns, facts, tastes, recent,
--       conversations dropped, {since when the person talks (or was reminded of it), when this
--       conversation last disclosed what Kindred is, or '', sealed traits}},
--       {'unauthenticated'}, {'not-found'}, {'mismatch'}, {'in-flight', lease},
--       {'stored', sealed answer}, {'elsewhere', conversation id}: call again with that one, the
--       turn was saved there
if not person_is(KEYS[1], ARGV[2]) then
  return { 'unauthenticated' }
end
local records = from(KEYS, 9)
local now, attempt = ARGV[1], string.match(ARGV[6], '^(%S+) ')
local turn_id = attempt
local word, found = idempotency(records, ARGV[8], now)
if word == 'mismatch' then
  return { word }
elseif word == 'in-flight' then
  return { word, found }
elseif word == 'stored' then
  remember_answer(records, ARGV[8], found, ARGV[12])
  own(KEYS[8], now, ARGV[12], unpack(records))
  return { word, found }
elseif word == 'resume' then
  if found[1] ~= ARGV[4] then
    return { 'elsewhere', found[1] }
  end
  turn_id = found[2]
end

local owner = redis.call('HGET', KEYS[3], 'user')
if owner ~= ARGV[3] and (owner or ARGV[5] ~= '1') then
  return { 'not-found' }
end

local saved = false
if word == 'resume' then
  for _, entry in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
    saved = saved or string.match(entry, '^%d+ %d+ (%S+) ') == turn_id
  end
end
if not saved then
  turn_id = attempt
  append_turn(KEYS[3], KEYS[4], ARGV[6], ARGV[7], ARGV[13], ARGV[14])
  if not owner then
    redis.call('HSET', KEYS[3], 'user', ARGV[3], 'created', now)
  end
end
-- Each message adds a mark, which says whether it is a crisis to whoever has the key. It names the
-- turn: a message that marks the conversation is not its own past, however often it is retried.
local marks = redis.call('HGET', KEYS[3], 'marks') or NONE
if #marks < tonumber(ARGV[22]) or ARGV[16] == '1' then
  marks = marks .. turn_id .. ARGV[21]
  redis.call('HSET', KEYS[3], 'marks', marks)
end
redis.call('HSET', KEYS[3], 'updated', now)
redis.call('ZADD', KEYS[2], now, ARGV[4])
for _, key in ipairs(records) do
  hold(key, ARGV[8], now + ARGV[9], attempt, ARGV[12])
  redis.call('HSET', key, 'conversation', ARGV[4], 'turn', turn_id)
end

local talk = redis.call('HMGET', KEYS[1], 'seen', 'since')
local since = talk[2]
if not since or now - (talk[1] or since) > tonumber(ARGV[17]) then
  since = now
end
redis.call('HSET', KEYS[1], 'seen', now, 'since', since)
redis.call(ARGV[19] == '1' and 'HSET' or 'HSETNX', KEYS[1], 'traits', ARGV[18])

-- The list forgets conversations that expired, then the oldest over the bound, never this one.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[10])
local dropped = {}
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[15])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, over)) do
    if id ~= ARGV[4] and #dropped < over then
      redis.call('ZREM', KEYS[2], id)
      dropped[#dropped + 1] = id
    end
  end
end

own(KEYS[8], now, ARGV[10], KEYS[3], KEYS[4])
if #records > 0 then
  own(KEYS[8], now, ARGV[12], unpack(records))
end
expire(ARGV[10], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7])
expire(ARGV[20], KEYS[6])
expire(ARGV[11], KEYS[1])

return {
  'ok', turn_id, { redis.call('HGET', KEYS[3], 'crisis') or NONE, marks },
  redis.call('LRANGE', KEYS[4], 0, -1), redis.call('HGETALL', KEYS[5]),
  redis.call('HGETALL', KEYS[6]), redis.call('LRANGE', KEYS[7], 0, -1), dropped,
  { since, redis.call('HGET', KEYS[3], 'disclosed') or NONE, redis.call('HGET', KEYS[1], 'traits') },
}
