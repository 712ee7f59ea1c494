-- Claim an idempotency key for one request of any kind.
--
-- KEYS: 1 idempotency record; where the caller is a person also 2 person, 3 owned
-- ARGV: 1 now, 2 fingerprint, 3 lease (seconds), 4 ttl (seconds), 5 attempt
-- Returns: {'ok'}, {'unauthenticated'}, {'mismatch'}, {'in-flight', lease}, {'stored', sealed answer}
if KEYS[2] and not person_is(KEYS[2]) then
  return { 'unauthenticated' }
end
local word, found = idempotency({ KEYS[1] }, ARGV[2], ARGV[1])
if word == 'mismatch' then
  return { word }
elseif word == 'in-flight' or word == 'stored' then
  return { word, found }
end
hold(KEYS[1], ARGV[2], ARGV[1] + ARGV[3], ARGV[5], ARGV[4])
if KEYS[3] then
  own(KEYS[3], ARGV[1], ARGV[4], KEYS[1])
end
return { 'ok' }
