-- enter(KEYS: queue, admitted, entered, holding, returns, done, returns_done, owners, devices;
--   ARGV: is_return, number, now_ms or '', device)
--   -> OK number return_number deadline_ms | RECOVER | UNKNOWN | NOT_YET | LAPSED | DONE | DEVICE      (return_number 0: none)
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- owners: string, 4 bytes a return number, whose it is.   done, returns_done: bitmaps of places that are used up.
-- devices: hash, number -> the device that may take its turn (8 bytes), the one before, since when.
-- Why one script: two requests of one buyer must be one entry, counted once, and a lapsed turn must not come alive again.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'serving', 'return_issued', 'return_serving', 'choose_ms')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if hash[2] ~= 'live' then
  return {'RECOVER'}
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[3]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local number, back = tonumber(ARGV[2]), 0
if ARGV[1] == '1' then
  number, back = redis.call('BITFIELD_RO', KEYS[8], 'GET', 'u32', '#' .. number)[1], number
else
  back = redis.call('BITFIELD_RO', KEYS[5], 'GET', 'u32', '#' .. number)[1]
end
local place, bits, at = tostring(number), KEYS[6], number
local issued, serving = tonumber(hash[3]), tonumber(hash[4])
if back > 0 then
  place, bits, at, issued, serving = 'r' .. back, KEYS[7], back, tonumber(hash[5]), tonumber(hash[6])
end

if at > issued then
  return {'UNKNOWN'}
end
if redis.call('GETBIT', bits, at) == 1 then
  return {'DONE'}
end
local deadline_ms = tonumber(redis.call('ZSCORE', KEYS[4], place) or redis.call('ZSCORE', KEYS[3], place))
local known = redis.call('HGET', KEYS[9], number)
local other = known and string.sub(known, 1, 8) ~= ARGV[4]
-- Whoever comes in first is the place's device, until it moves.
if not known and ARGV[4] ~= string.rep('\0', 8) and at <= serving then
  redis.call('HSET', KEYS[9], number, ARGV[4] .. ARGV[4] .. struct.pack('>I6', 0))
end
if other and at <= serving then
  return {'DEVICE'}
end
if deadline_ms then
  return deadline_ms > now_ms and {'OK', number, back, deadline_ms} or {'LAPSED'}
end
deadline_ms = tonumber(redis.call('ZSCORE', KEYS[2], place))
if deadline_ms and deadline_ms > now_ms then
  deadline_ms = now_ms + tonumber(hash[7])
  redis.call('ZREM', KEYS[2], place)
  redis.call('ZADD', KEYS[3], deadline_ms, place)
  return {'OK', number, back, deadline_ms}
end
return {at > serving and 'NOT_YET' or 'LAPSED'}
