-- revoke(KEYS: queue, admitted, entered, returns, done, returns_done, revoked; ARGV: number, ...) -> OK revoked | RECOVER
-- queue: hash.   admitted, entered: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- done, returns_done: bitmaps of used places.   revoked: bitmap of those that are used only because staff revoked them.
-- Why one script: a place must not be let in, nor come back, between losing its slot and being marked. Slots of holds stay with them.
if not redis.call('HGET', KEYS[1], 'run_id') then
  return {'RECOVER'}
end
local count = 0
for i = 1, #ARGV do
  local number = tonumber(ARGV[i])
  local back = redis.call('BITFIELD_RO', KEYS[4], 'GET', 'u32', '#' .. number)[1]
  local used = back > 0 and redis.call('GETBIT', KEYS[6], back) or redis.call('GETBIT', KEYS[5], number)
  -- What was used up before stays so when the revocation is undone.
  if used == 0 or redis.call('GETBIT', KEYS[7], number) == 1 then
    redis.call('SETBIT', KEYS[7], number, 1)
    redis.call('SETBIT', KEYS[5], number, 1)
    if back > 0 then
      redis.call('SETBIT', KEYS[6], back, 1)
    end
    for key = 2, 3 do
      redis.call('ZREM', KEYS[key], tostring(number), 'r' .. back)
    end
    count = count + 1
  end
end
return {'OK', count}
