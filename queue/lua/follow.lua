-- follow(KEYS: queue, admitted, entered, holding, handsfree, done, returns_handsfree, returns_done; ARGV: place, kind, until_ms, ...) -> OK | RECOVER
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   handsfree, done: bitmaps by number, and by return number.
-- Why one script: a slot that moves must never be counted twice, nor be missing for a moment.
local hash = redis.call('HMGET', KEYS[1], 'serving', 'return_serving')
if not hash[1] then
  return {'RECOVER'}
end
local sets = {choosing = 3, undecided = 3, holding = 4}
local taken = 0

local function move(place, target, until_ms)
  for key = 2, 4 do
    if key ~= target then
      local removed = redis.call('ZREM', KEYS[key], place)
      -- Until the record is counted again, each new hold takes at least one free ticket.
      if target == 4 then
        taken = taken + removed
      end
    end
  end
  if target then
    redis.call('ZADD', KEYS[target], until_ms, place)
  end
end

for first = 1, #ARGV, 3 do
  local place, kind = ARGV[first], ARGV[first + 1]
  local back = string.sub(place, 1, 1) == 'r'
  local number = tonumber(back and string.sub(place, 2) or place)
  local bits = back and 7 or 5
  local called = number <= tonumber(hash[back and 2 or 1])
  -- A second booking of an admission that has its hold, or is used up, takes no slot while the record refuses it.
  local settled = kind == 'undecided'
    and (redis.call('ZSCORE', KEYS[4], place) or redis.call('GETBIT', KEYS[bits + 1], number) == 1)
  if called and not settled then
    move(place, sets[kind], ARGV[first + 2])
  end
  if not sets[kind] then
    redis.call('SETBIT', KEYS[bits], number, 0)
    if called and kind == 'done' then
      redis.call('SETBIT', KEYS[bits + 1], number, 1)
    end
  end
end
if taken > 0 then
  redis.call('HINCRBY', KEYS[1], 'taken', taken)
end
return {'OK'}
