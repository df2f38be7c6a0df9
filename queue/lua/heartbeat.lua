-- heartbeat(KEYS: queue, returns, here0, here1, here2, returns_here0, returns_here1, returns_here2; ARGV: is_return, number) -> OK | RECOVER | UNKNOWN
-- queue: hash, slice / issued.   returns: string, 4 bytes a number, its return number.   here0-2: bitmaps of presence, one bit a number.
-- Why one script: which slice is the current one, and which return number counts, must be read and used at once.
local hash = redis.call('HMGET', KEYS[1], 'slice', 'issued', 'return_issued')
if not hash[1] then
  return {'RECOVER'}
end
local number, back = tonumber(ARGV[2]), 0
if ARGV[1] == '1' then
  number, back = 0, number
else
  back = redis.call('BITFIELD_RO', KEYS[2], 'GET', 'u32', '#' .. number)[1]
end
if number > tonumber(hash[2]) or back > tonumber(hash[3]) then
  return {'UNKNOWN'}
end
local slice = tonumber(hash[1]) % 3
if back > 0 then
  redis.call('SETBIT', KEYS[6 + slice], back, 1)
else
  redis.call('SETBIT', KEYS[3 + slice], number, 1)
end
return {'OK'}
