-- taken_tickets(KEYS: tickets; ARGV: ticket, ...) -> those of the tickets that are held or sold now
-- tickets: hash, ticket id -> version (4 bytes) and until_ms (6 bytes).
-- Why one script: a hold's end is compared with Redis' own clock, in the round trip that reads it.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local taken = {}
for i, known in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  if known and select(2, struct.unpack('>I4I6', known)) > now_ms then
    table.insert(taken, ARGV[i])
  end
end
return taken
