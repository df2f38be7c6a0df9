-- taken_tickets(KEYS: tickets; ARGV: ordinal, ...) -> those of the ordinals whose tickets are held or sold now
-- tickets: string, 11 bytes a ticket: version (4), letter (1), until_ms (6).
-- Why one script: a hold's end is compared with Redis' own clock, in the round trip that reads it.
local WIDTH = 11
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local taken = {}
for i = 1, #ARGV do
  local at = (tonumber(ARGV[i]) - 1) * WIDTH
  local raw = redis.call('GETRANGE', KEYS[1], at, at + WIDTH - 1)
  if #raw == WIDTH and select(3, struct.unpack('>I4c1I6', raw)) > now_ms then
    table.insert(taken, ARGV[i])
  end
end
return taken
