-- stay(KEYS: queue, admitted, entered, holding, returns, handsfree, done, returns_handsfree, returns_done, owners, devices, came_back;
--   ARGV: number, now_ms or '', device)
--   -> OK return_number standing deadline_ms | RECOVER | UNKNOWN | DONE | DEVICE | CLOSED       (return_number 0: none)
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- handsfree: bitmap of places with a booking waiting.   done: bitmap of used places.   Both also by return number.   owners: string, 4 bytes a return number.
-- devices: hash, number -> the device that may take its turn (8 bytes), the one before, since when.
-- Why one script: between looking and marking, the queue must not pass the number by.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'serving', 'return_serving', 'phase', 'choose_ms')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if hash[2] ~= 'live' then return {'RECOVER'} end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[2]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local number = tonumber(ARGV[1])
if number > tonumber(hash[3]) then
  return {'UNKNOWN'}
end
local back = redis.call('BITFIELD_RO', KEYS[5], 'GET', 'u32', '#' .. number)[1]
if redis.call('GETBIT', KEYS[7], number) == 1 or (back > 0 and redis.call('GETBIT', KEYS[9], back) == 1) then
  return {'DONE'}
end
local known = redis.call('HGET', KEYS[11], number)
if known and string.sub(known, 1, 8) ~= ARGV[3] then
  return {'DEVICE'}
end
local place = back > 0 and 'r' .. back or tostring(number)
if back > 0 and back > tonumber(hash[5]) or back == 0 and number > tonumber(hash[4]) then
  redis.call('SETBIT', KEYS[back > 0 and 8 or 6], back > 0 and back or number, 1)
  return {'OK', back, 'ahead', 0}
end
for key, word in pairs({[3] = 'entered', [4] = 'holding'}) do
  local until_ms = tonumber(redis.call('ZSCORE', KEYS[key], place) or 0)
  if until_ms > now_ms then
    return {'OK', back, word, until_ms}
  end
  redis.call('ZREM', KEYS[key], place)
end
if tonumber(redis.call('ZSCORE', KEYS[2], place) or 0) > now_ms then
  -- Its booking comes in for it.
  local until_ms = now_ms + tonumber(hash[7])
  redis.call('ZREM', KEYS[2], place)
  redis.call('ZADD', KEYS[3], until_ms, place)
  return {'OK', back, 'entered', until_ms}
end
redis.call('ZREM', KEYS[2], place)
if hash[6] == 'closed' then
  return {'CLOSED'}
end
back = redis.call('HINCRBY', KEYS[1], 'return_issued', 1)
redis.call('BITFIELD', KEYS[5], 'SET', 'u32', '#' .. number, back)
redis.call('BITFIELD', KEYS[10], 'SET', 'u32', '#' .. back, number)
redis.call('XADD', KEYS[12], '*', 'n', number, 'r', back)
redis.call('SETBIT', KEYS[8], back, 1)
return {'OK', back, 'ahead', 0}
