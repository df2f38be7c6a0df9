-- bind(KEYS: queue, devices; ARGV: number, device, before, how, now_ms?) -> OK since_ms | RECOVER | DEVICE
-- queue: hash.   devices: hash, number -> the device that may take its turn, the one before (8 bytes each), since when (6 bytes);
-- then those that may take it back, the oldest first, each with when it lost the place (8 and 6 bytes).
-- Before a draw the number is a j and what was joined with: as a number it will be somebody else's.
-- how: 'show', whoever has it or comes first | 'move', from the device before, which must have it still | 'back', for those that had it
-- within a day | 'own', whoever proved to be the buyer.
-- Why one script: of two devices that take a place at once, the one that comes second must see the first.
local HAD_MAX, BACK_MS = 8, 86400000
if not redis.call('HGET', KEYS[1], 'run_id') then
  return {'RECOVER'}
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[5]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local nobody, taker, how = string.rep('\0', 8), ARGV[2], ARGV[4]
local known = redis.call('HGET', KEYS[2], ARGV[1])
local device = known and string.sub(known, 1, 8)
if device == taker then
  return {'OK', (struct.unpack('>I6', string.sub(known, 17, 22)))}
end
if how == 'show' then
  if not known and taker ~= nobody then
    redis.call('HSET', KEYS[2], ARGV[1], taker .. taker .. struct.pack('>I6', 0))
  end
  return known and {'DEVICE'} or {'OK', 0}
end
if how == 'move' and known and device ~= ARGV[3] then
  return {'DEVICE'}
end

local had, at = {}, nil
local function add(one, lost_ms)
  if how == 'back' and one == taker then
    at = #had
  end
  if one ~= nobody and one ~= taker and now_ms - lost_ms < BACK_MS and #had < HAD_MAX then
    table.insert(had, one .. struct.pack('>I6', lost_ms))
  end
end
for i = 23, known and #known or 0, 14 do
  local lost_ms = struct.unpack('>I6', string.sub(known, i + 8, i + 13))
  if now_ms - lost_ms < BACK_MS then
    add(string.sub(known, i, i + 7), lost_ms)
  end
end
if how == 'back' and known and not at then
  return {'DEVICE'}
end
-- Whoever had it after the one that takes it back may not take it from there.
if how == 'move' then
  add(device or ARGV[3], now_ms)
else
  had = {unpack(had, 1, at or 0)}
end
local before = had[#had] and string.sub(had[#had], 1, 8) or taker
redis.call('HSET', KEYS[2], ARGV[1], taker .. before .. struct.pack('>I6', now_ms) .. table.concat(had))
return {'OK', now_ms}
