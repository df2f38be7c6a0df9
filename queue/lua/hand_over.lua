-- hand_over(KEYS: queue, buyers_from, buyers_to, returns, done, returns_done, moved; ARGV: from, to, gave, had, kept, used)
--   -> OK handed | RECOVER          (handed 0: one of the two has another number by now, and nothing was done)
-- queue: hash.   buyers_from, buyers_to: hash, one bucket, buyer's 16 bytes -> number (4 bytes) and time (6 bytes).
-- returns: string, 4 bytes a number, its return number.   done, returns_done: bitmaps of used places.
-- moved: bitmap of numbers whose holder only the map and the record know: no token proves them any more.
-- gave, had: the numbers that both joined with (had 0: none).   kept: which of them counts.   used: the other as it is in the
-- queue, where a draw's numbers are drawn ones; 0: there is none, or it is not drawn yet.
-- Why one script: two people must never have one number, nor one of them two.
if redis.call('HGET', KEYS[1], 'state') ~= 'live' then
  return {'RECOVER'}
end
local mine, other = redis.call('HGET', KEYS[2], ARGV[1]), redis.call('HGET', KEYS[3], ARGV[2])
local gave, had, used = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[6])
if not mine or struct.unpack('>I4', mine) ~= gave or (other and struct.unpack('>I4', other) or 0) ~= had then
  return {'OK', 0}
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[2], tonumber(ARGV[5]) == gave and mine or other)
redis.call('SETBIT', KEYS[7], gave, 1)
redis.call('SETBIT', KEYS[7], had, 1)
if used > 0 then
  local back = redis.call('BITFIELD_RO', KEYS[4], 'GET', 'u32', '#' .. used)[1]
  redis.call('SETBIT', KEYS[5], used, 1)
  if back > 0 then
    redis.call('SETBIT', KEYS[6], back, 1)
  end
end
return {'OK', 1}
