-- Store the answer of a claimed key; of two attempts the first wins.
--
-- KEYS: 1 idempotency record; where the caller is a person also 2 person, 3 owned
-- ARGV: 1 fingerprint, 2 sealed answer, 3 ttl (seconds), 4 now
-- Returns: {'ok'}, {'unauthenticated'}, {'stored', sealed answer of the first}
if KEYS[2] and not person_is(KEYS[2]) then
  return { 'unauthenticated' }
end
local r = redis.call('HMGET', KEYS[1], 'state', 'answer')
if r[1] == 'done' then
  return { 'stored', r[2] }
end
remember_answer({ KEYS[1] }, ARGV[1], ARGV[2], ARGV[3])
if KEYS[3] then
  own(KEYS[3], ARGV[4], ARGV[3], KEYS[1])
end
return { 'ok' }
