-- join(KEYS: queue, buyers, addresses, joins, here0, here1, here2, lots, moved; ARGV: buyer, address, proven, now_ms or '', network, early, weight)
--   -> OK number joined_at_ms created draw_size draw_key weight | RECOVER | NOT_OPEN opens_at_ms now_ms | CLOSED | EXHAUSTED | ADDRESS | NO_DRAW | MOVED
-- queue: hash, issued / block_end / phase / ... buyers: hash, one bucket, buyer's 16 bytes -> number (4 bytes) and time (6 bytes).
-- addresses: hash, one bucket, digest -> places taken.   joins: stream for the journal.   here0-2: bitmaps of presence.   moved: of numbers handed over.
-- lots: bitmap, set where a number is a further one of whoever has the number before (a weight in a draw, counted by `weight`).
-- Why one script: two requests of one buyer must get one number, two buyers never the same, and no number may have a gap.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'block_end', 'phase', 'opens_at_ms', 'address_limit',
  'slice', 'asked_to', 'draw_size', 'draw_key')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then return {'RECOVER'} end
-- end guard
if hash[2] ~= 'live' then return {'RECOVER'} end
local issued, proven, size, key, weight = tonumber(hash[3]), tonumber(ARGV[3]), tonumber(hash[10] or 0), hash[11] or '', tonumber(ARGV[7])
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[4]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function give(number, joined_at_ms, ...)
  redis.call('HSET', KEYS[2], ARGV[1], struct.pack('>I4I6', number, joined_at_ms))
  redis.call('XADD', KEYS[4], '*', 'n', number, 'b', ARGV[1], 't', string.format('%.0f', joined_at_ms), 'a', ARGV[5], ...)
  return number
end

-- A signed token's number was given by us; one above what was issued cannot have been. The lower one wins, but once the
-- entries of a draw are closed nobody in it may choose between two. What was handed over is somebody else's, or nobody's.
local known, number, joined_at_ms = redis.call('HGET', KEYS[2], ARGV[1]), math.huge, now_ms
if known then number, joined_at_ms = struct.unpack('>I4I6', known) end
if proven > 0 and proven <= issued and proven < number and number > size then
  local moved = redis.call('GETBIT', KEYS[9], proven) == 1
  if moved and not known then return {'MOVED'} end
  if not moved then number = give(proven, joined_at_ms) end
end
if number <= issued then
  local after = redis.call('BITPOS', KEYS[8], 0, number + 1, number + 100, 'BIT')
  after = after < 0 and redis.call('STRLEN', KEYS[8]) * 8 or after
  return {'OK', number, joined_at_ms, 0, size, key, math.max(1, after - number)}
end

if hash[5] == 'closed' then return {'CLOSED'} end
local early = hash[5] == 'scheduled' and now_ms < tonumber(hash[6])
if early and ARGV[6] ~= '1' then return {'NOT_OPEN', tonumber(hash[6]), now_ms} end
if weight > 1 and size >= 0 then return {'NO_DRAW'} end
if issued + weight > tonumber(hash[4]) then return {'EXHAUSTED'} end
local address_limit = tonumber(hash[7])
if address_limit > 0 then
  if tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or 0) >= address_limit then return {'ADDRESS'} end
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end

number = redis.call('HINCRBY', KEYS[1], 'issued', weight) - weight + 1
give(number, now_ms, unpack(weight > 1 and {'w', weight} or {}))
for further = number + 1, number + weight - 1 do
  redis.call('SETBIT', KEYS[8], further, 1)
  redis.call('HINCRBY', KEYS[1], 'spare', 1)
  redis.call('HSETNX', KEYS[1], 'spare_to', 0)
end
-- Who joins near the front was there just now; the first heartbeat is still to come.
if number <= tonumber(hash[9]) then redis.call('SETBIT', KEYS[5 + tonumber(hash[8]) % 3], number, 1) end
return {'OK', number, now_ms, 1, size, key, weight}
