-- Store one judgement made elsewhere: an impression that Kindred did not show, and its reaction.
--
-- KEYS: 1 person (of the source), 2 impression, 3 owned, 4 events, 5 reactions
-- ARGV: 1 now, 2 now in milliseconds, 3 user id, 4 reply id, 5 reaction, 6 sealed comment ('' for
--       none), 7 variants (JSON), 8 sealed impression, 9 ttl, 10 person ttl, 11 events_max
-- Returns: 'stored', 'duplicate', 'unauthenticated'
if not person_is(KEYS[1]) then
  return 'unauthenticated'
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  -- Whoever waits for replicas after this then waits for what was there.
  redis.call('HSET', KEYS[2], 'user', ARGV[3])
  return 'duplicate'
end
local id = add_event(ARGV[2], ARGV[9], ARGV[11], {
  'type', 'judged', 'user', ARGV[3], 'reply', ARGV[4], 'conversation', '',
  'reaction', ARGV[5], 'previous', '', 'variants', ARGV[7],
}, KEYS[4], KEYS[5])
redis.call('HSET', KEYS[2], 'user', ARGV[3], 'conversation', '', 'turn', '', 'at', ARGV[1],
  'variants', ARGV[7], 'body', ARGV[8], 'alternative_of', '', 'reaction', ARGV[5], 'event', id)
if ARGV[6] ~= NONE then
  redis.call('HSET', KEYS[2], 'comment', ARGV[6])
end
own(KEYS[3], ARGV[1], ARGV[9], KEYS[2])
expire(ARGV[9], KEYS[2])
expire(ARGV[10], KEYS[1])
return 'stored'
