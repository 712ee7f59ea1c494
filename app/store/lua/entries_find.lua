-- A person's entries among the next ones of a stream that many share: nobody else's leave Redis.
--
-- KEYS: 1 stream
-- ARGV: 1 where to begin (as of XRANGE), 2 how many entries to look at, 3 user id
-- Returns: {where to go on, or '' at the end of the stream, {{id, {field, value, …}}, …}}
local rows = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local found = {}
for _, row in ipairs(rows) do
  local fields = row[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'user' then
      if fields[i + 1] == ARGV[3] then
        found[#found + 1] = row
      end
      break
    end
  end
end
if #rows < tonumber(ARGV[2]) then
  return { '', found }
end
return { '(' .. rows[#rows][1], found }
