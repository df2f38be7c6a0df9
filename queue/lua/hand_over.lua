-- hand_over(KEYS: queue, buyers_from, buyers_to, returns, done, returns_done; ARGV: from, to)
--   -> OK number given_up joined_at_ms | RECOVER | UNKNOWN          (given_up 0: only one of them had a number)
-- queue: hash.   buyers_from, buyers_to: hash, one bucket, buyer's 16 bytes -> number (4 bytes) and time (6 bytes).
-- returns: string, 4 bytes a number, its return number.   done, returns_done: bitmaps of used places.
-- Why one script: two people must never have one number, nor one of them two.
local hash = redis.call('HMGET', KEYS[1], 'state', 'draw_size')
if hash[1] ~= 'live' then
  return {'RECOVER'}
end
local size = tonumber(hash[2] or 0)
-- The bitmaps are by drawn numbers: a number that was joined with is another one there, and somebody else's.
local function in_draw(number) return size < 0 or number <= size end
local mine = redis.call('HGET', KEYS[2], ARGV[1])
if not mine then
  return {'UNKNOWN'}
end
local function used(number)
  if in_draw(number) then return 0 end
  local back = redis.call('BITFIELD_RO', KEYS[4], 'GET', 'u32', '#' .. number)[1]
  return back > 0 and redis.call('GETBIT', KEYS[6], back) or redis.call('GETBIT', KEYS[5], number)
end
local kept, other = mine, redis.call('HGET', KEYS[3], ARGV[2])
if other then
  local a, b = struct.unpack('>I4', mine), struct.unpack('>I4', other)
  -- A place that still counts beats one that is used; of two that count the lower number.
  if used(b) < used(a) or (used(b) == used(a) and b < a) then
    kept, other = other, mine
  end
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[2], kept)
local given_up = 0
if other then
  given_up = struct.unpack('>I4', other)
  if not in_draw(given_up) then redis.call('SETBIT', KEYS[5], given_up, 1) end
end
local number, joined_at_ms = struct.unpack('>I4I6', kept)
return {'OK', number, given_up, joined_at_ms}
