-- come_back(KEYS: queue, admitted, entered, holding, returns, done, here0, here1, here2, returns_done, owners, came_back;
--   ARGV: number, now_ms?) -> OK return_number | RECOVER | UNKNOWN | NOT_YET | DONE | CLOSED
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- done, returns_done: bitmaps of used places.   here0-2: bitmaps of presence by return number.   owners: string, 4 bytes a return number, whose it is.
-- came_back: stream for the journal.
-- Why one script: one absence gives one return number, however often it is asked for.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'serving', 'return_serving', 'phase', 'slice')
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
local now_ms = tonumber(ARGV[2]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local number = tonumber(ARGV[1])
if number > tonumber(hash[3]) then
  return {'UNKNOWN'}
end
local back = redis.call('BITFIELD_RO', KEYS[5], 'GET', 'u32', '#' .. number)[1]
if redis.call('GETBIT', KEYS[6], number) == 1 or (back > 0 and redis.call('GETBIT', KEYS[10], back) == 1) then
  return {'DONE'}
end
if back > tonumber(hash[5]) then
  return {'OK', back}
end
if back == 0 and number > tonumber(hash[4]) then
  return {'NOT_YET'}
end
local place = back > 0 and 'r' .. back or tostring(number)
for key = 2, 4 do
  if tonumber(redis.call('ZSCORE', KEYS[key], place) or 0) > now_ms then
    return {'NOT_YET'}
  end
  redis.call('ZREM', KEYS[key], place)
end
if hash[6] == 'closed' then
  return {'CLOSED'}
end
back = redis.call('HINCRBY', KEYS[1], 'return_issued', 1)
redis.call('BITFIELD', KEYS[5], 'SET', 'u32', '#' .. number, back)
redis.call('BITFIELD', KEYS[11], 'SET', 'u32', '#' .. back, number)
redis.call('XADD', KEYS[12], '*', 'n', number, 'r', back)
-- Coming back is being here.
redis.call('SETBIT', KEYS[7 + tonumber(hash[7]) % 3], back, 1)
return {'OK', back}
