-- leave(KEYS: queue, admitted, entered, holding, returns, handsfree, done, returns_handsfree, returns_done, owners; ARGV: is_return, number) -> OK | UNKNOWN
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- owners: string, 4 bytes a return number, whose it is.   handsfree, done: bitmaps by number, and by return number.
-- Why one script: a place must not be let in between losing its slot and being marked as done.
local hash = redis.call('HMGET', KEYS[1], 'issued', 'return_issued')
local number, back = tonumber(ARGV[2]), 0
if ARGV[1] == '1' then
  number, back = redis.call('BITFIELD_RO', KEYS[10], 'GET', 'u32', '#' .. number)[1], number
else
  back = redis.call('BITFIELD_RO', KEYS[5], 'GET', 'u32', '#' .. number)[1]
end
if not hash[1] or number > tonumber(hash[1]) or back > tonumber(hash[2]) then
  return {'UNKNOWN'}
end
for key = 2, 4 do
  redis.call('ZREM', KEYS[key], tostring(number), 'r' .. back)
end
for at, bits in pairs({[number] = 6, [-back] = 8}) do
  if at ~= 0 then
    redis.call('SETBIT', KEYS[bits], math.abs(at), 0)
    redis.call('SETBIT', KEYS[bits + 1], math.abs(at), 1)
  end
end
return {'OK'}
