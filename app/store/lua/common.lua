-- In front of every script: what several of them do. Nothing here runs by itself.
--
-- Answers are arrays whose first element is a word: "ok", or why not. All checks come before the
-- first write, and the first write is one that a full or read-only server refuses, so that a
-- refused script has changed nothing.

local NONE = ''

-- Whether the person exists and was not erased (and, where given, the token's generation holds).
local function person_is(key, generation)
  local found = redis.call('HMGET', key, 'state', 'generation')
  return found[1] == 'live' and (generation == nil or found[2] == generation)
end

local function expire(seconds, ...)
  for _, key in ipairs({ ... }) do
    redis.call('EXPIRE', key, seconds)
  end
end

-- Note keys that no other key lists, so that erasure finds them; forget those that expired.
local function own(owned, now, seconds, ...)
  for _, key in ipairs({ ... }) do
    redis.call('ZADD', owned, now + seconds, key)
  end
  redis.call('ZREMRANGEBYSCORE', owned, '-inf', now)
  -- never shorter than what it lists
  if redis.call('TTL', owned) < tonumber(seconds) then
    redis.call('EXPIRE', owned, seconds)
  end
end

-- Add a turn at the end, give it the next number, and drop the oldest turns over the bounds.
-- tail: '<turn id> <sealed turn>'. Returns the number.
local function append_turn(conversation, turns, tail, tokens, turns_max, tokens_max)
  local seq = redis.call('HINCRBY', conversation, 'seq', 1)
  local count = redis.call('RPUSH', turns, seq .. ' ' .. tokens .. ' ' .. tail)
  local total = redis.call('HINCRBY', conversation, 'tokens', tokens)
  while count > 1 and (count > tonumber(turns_max) or total > tonumber(tokens_max)) do
    local oldest = redis.call('LPOP', turns)
    local cost = string.match(oldest, '^%d+ (%d+) ')
    total = redis.call('HINCRBY', conversation, 'tokens', '-' .. cost)
    count = count - 1
  end
  return seq
end

-- Drop the oldest entries of a hash whose values begin with '<created> '.
local function bound(hash, max)
  max = tonumber(max)
  if redis.call('HLEN', hash) <= max then
    return
  end
  local entries = redis.call('HGETALL', hash)
  local order = {}
  for i = 1, #entries, 2 do
    table.insert(order, { tonumber(string.match(entries[i + 1], '^(%S+) ')), entries[i] })
  end
  table.sort(order, function(a, b)
    return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
  end)
  for i = 1, #order - max do
    redis.call('HDEL', hash, order[i][2])
  end
end

local DAY = 86400000 -- milliseconds

-- The id of the newest entry that a stream ever had: its milliseconds and number.
local function newest(stream)
  if redis.call('EXISTS', stream) == 1 then
    local info = redis.call('XINFO', 'STREAM', stream)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        local ms, seq = string.match(info[i + 1], '^(%d+)-(%d+)$')
        return tonumber(ms), tonumber(seq)
      end
    end
  end
  return 0, -1
end

-- Add one entry to each of these streams, under one id: the time in milliseconds, or just after
-- the newest entry. The first entry of a day also trims what is older than `seconds`; exactly,
-- for whole nodes go at once, and no more than one of them is looked into.
-- fields: {name, value, name, value, …}. Returns the id.
local function add_event(milliseconds, seconds, max, fields, ...)
  local streams, last = { ... }, {}
  local ms, seq = tonumber(milliseconds), -1
  for i, stream in ipairs(streams) do
    local stream_ms, stream_seq = newest(stream)
    last[i] = stream_ms
    if stream_ms > ms or (stream_ms == ms and stream_seq > seq) then
      ms, seq = stream_ms, stream_seq
    end
  end
  local id = string.format('%.0f-%.0f', ms, seq + 1)
  for i, stream in ipairs(streams) do
    redis.call('XADD', stream, 'MAXLEN', '~', max, id, unpack(fields))
    if math.floor(ms / DAY) > math.floor(last[i] / DAY) then
      redis.call('XTRIM', stream, 'MINID', string.format('%.0f', math.max(0, ms - seconds * 1000)))
    end
  end
  return id
end

-- What is known of the caller's idempotency keys. Returns a word and the record it is about:
-- "new", "mismatch", "stored" (sealed answer), "in-flight" (lease), "resume" (conversation, turn).
local function idempotency(records, fingerprint, now)
  local word, found = 'new', nil
  for _, key in ipairs(records) do
    local r = redis.call('HMGET', key, 'fingerprint', 'state', 'lease', 'answer', 'conversation', 'turn')
    if r[1] then
      if r[1] ~= fingerprint then
        return 'mismatch', nil
      end
      if r[2] == 'done' then
        word, found = 'stored', r[4]
      elseif word ~= 'stored' and tonumber(r[3]) > tonumber(now) then
        word, found = 'in-flight', r[3]
      elseif word == 'new' then
        word, found = 'resume', { r[5], r[6] }
      end
    end
  end
  return word, found
end

-- Note that an attempt holds a record until a time (Unix seconds); another one may follow it then.
local function hold(record, fingerprint, lease, attempt, seconds)
  redis.call('HSET', record, 'fingerprint', fingerprint, 'state', 'pending',
    'lease', string.format('%.3f', lease), 'attempt', attempt)
  redis.call('EXPIRE', record, seconds)
end

-- Mark each record done with its sealed answer.
local function remember_answer(records, fingerprint, answer, seconds)
  for _, key in ipairs(records) do
    redis.call('HSET', key, 'fingerprint', fingerprint, 'state', 'done', 'lease', 0, 'answer', answer)
    redis.call('EXPIRE', key, seconds)
  end
end

-- The elements of a list from one position on.
local function from(list, start)
  local rest = {}
  for i = start, #list do
    rest[#rest + 1] = list[i]
  end
  return rest
end

local OPS = 16 -- operations that one hash remembers

-- Whether an operation is among those that happened to a hash; `ops` are their names, the last first.
local function happened(ops, op)
  return op ~= NONE and ops and string.find(' ' .. ops, ' ' .. op .. ' ', 1, true) ~= nil
end

-- Note that an operation happened to a hash, and when it was asked for (milliseconds). Written also
-- where it changed nothing else: whoever waits for replicas after it then waits for what was there.
local function note_op(hash, ops, op, at)
  redis.call('HSET', hash, 'asked', at)
  if op == NONE then
    return
  end
  local kept = op .. ' '
  local count = 1
  for other in string.gmatch(ops or NONE, '%S+') do
    if count < OPS and other ~= op then
      kept, count = kept .. other .. ' ', count + 1
    end
  end
  redis.call('HSET', hash, 'ops', kept)
end

-- Write a reply that is shown: its turn, its impression, the recent lines, its event.
-- k: person, conversations, conversation, turns, recent, impression, owned, events
-- a: now, milliseconds, user, conversation, answered turn, reply, turn tail, tokens, variants,
--    sealed impression, sealed line, ttl, person ttl, turns_max, tokens_max, events_max,
--    recent_max, alternative_of ('' for none), reaction ttl (of impression and event)
local function show(k, a)
  append_turn(k[3], k[4], a[7], a[8], a[14], a[15])
  redis.call('HSET', k[3], 'updated', a[1])
  redis.call('ZADD', k[2], a[1], a[4])
  redis.call('HSET', k[6], 'user', a[3], 'conversation', a[4], 'turn', a[5], 'at', a[1],
    'variants', a[9], 'body', a[10], 'alternative_of', a[18])
  redis.call('LPUSH', k[5], a[11])
  redis.call('LTRIM', k[5], 0, a[17] - 1)
  add_event(a[2], a[19], a[16], {
    'type', 'impression', 'user', a[3], 'reply', a[6], 'conversation', a[4], 'turn', a[5],
    'variants', a[9], 'alternative_of', a[18],
  }, k[8])
  own(k[7], a[1], a[12], k[3], k[4], k[6])
  expire(a[12], k[2], k[3], k[4], k[5])
  expire(a[19], k[6])
  expire(a[13], k[1])
end
