-- keep(KEYS: followed, slot, reading; ARGV: name, whole, token, generation, stamp, keep_ms, text) -> 1 kept, 0 not       (text empty: nothing to keep)
-- followed, slot, reading: as in look_up. The stamp is how far the change stream was followed before the record was read.
-- Why one script: a copy that became old while it was read must never take the place of a newer one, nor of its outdating.
if redis.call('GET', KEYS[3]) ~= ARGV[3] then
  return 0
end
redis.call('DEL', KEYS[3])
local followed = redis.call('GET', KEYS[1])
if ARGV[7] == '' or not followed then
  return 0
end
local generation, _, changed = string.match(followed, '^(%S+) (%d+) (%d+)$')
local slot = redis.call('HMGET', KEYS[2], 'generation', 'name', 'stamp', 'floor', 'text', 'rival')
if ARGV[4] ~= generation or slot[1] ~= generation then
  return 0
end
local floor, stamp = tonumber(ARGV[2] == '1' and changed or slot[4]), tonumber(ARGV[5])
if stamp < floor then
  return 0
end
local other = slot[5] and slot[2] ~= ARGV[1]
if slot[5] and not other and tonumber(slot[3]) > stamp then
  return 0
end
-- A slot is taken from what others ask for only by what is asked for twice meanwhile: made-up names push nothing out.
if other and slot[6] ~= ARGV[1] and tonumber(slot[3]) >= tonumber(ARGV[2] == '1' and changed or slot[4]) then
  redis.call('HSET', KEYS[2], 'rival', ARGV[1])
  return 0
end
redis.call('HDEL', KEYS[2], 'rival')
redis.call('HSET', KEYS[2], 'name', ARGV[1], 'stamp', ARGV[5], 'text', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
