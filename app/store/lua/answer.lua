-- Store the answer of a claimed key; of two attempts the first wins.
--
-- KEYS: 1 idempotency record
-- ARGV: 1 fingerprint, 2 sealed answer, 3 ttl (seconds)
-- Returns: {'ok'}, {'stored', sealed answer of the first}
local r = redis.call('HMGET', KEYS[1], 'state', 'answer')
if r[1] == 'done' then
  return { 'stored', r[2] }
end
remember_answer(KEYS, ARGV[1], ARGV[2], ARGV[3])
return { 'ok' }
