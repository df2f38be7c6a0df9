-- bind(KEYS: queue, devices; ARGV: number, device, before, back, now_ms?) -> OK moved_at_ms | RECOVER | DEVICE
-- queue: hash.   devices: hash, number -> the device that may take its turn, the one before (8 bytes each), since when (6 bytes).
-- Before a draw the number is a j and what was joined with: as a number it will be somebody else's.
-- back = 1: only the device that had the place before it moved may have it again.
-- Why one script: of two devices that take a place at once, the one that comes second must see the first.
local run_id = redis.call('HGET', KEYS[1], 'run_id')
if not run_id then
  return {'RECOVER'}
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[5]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local known = redis.call('HGET', KEYS[2], ARGV[1])
local device, before = known and string.sub(known, 1, 8), known and string.sub(known, 9, 16)
if device == ARGV[2] then
  return {'OK', struct.unpack('>I6', string.sub(known, 17, 22))}
end
if ARGV[4] == '1' and known and before ~= ARGV[2] then
  return {'DEVICE'}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. (device or ARGV[3]) .. struct.pack('>I6', now_ms))
return {'OK', now_ms}
