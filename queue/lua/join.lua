-- join(KEYS: queue, buyers, addresses, joins, here0, here1, here2, moved; ARGV: buyer, address, proven, now_ms or '', network, early)
--   -> OK number joined_at_ms created draw_size draw_key | RECOVER | NOT_OPEN opens_at_ms now_ms | CLOSED | EXHAUSTED | ADDRESS | MOVED
-- queue: hash, issued / block_end / phase / ... buyers: hash, one bucket, buyer's 16 bytes -> number (4 bytes) and time (6 bytes).
-- addresses: hash, one bucket, digest -> places taken.   joins: stream for the journal.   here0-2: bitmaps of presence.   moved: of numbers handed over.
-- Why one script: two requests of one buyer must get one number, two buyers never the same, and no number may have a gap.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'block_end', 'phase', 'opens_at_ms', 'address_limit',
  'slice', 'asked_to', 'draw_size', 'draw_key')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if hash[2] ~= 'live' then return {'RECOVER'} end
local issued, proven, size, key = tonumber(hash[3]), tonumber(ARGV[3]), tonumber(hash[10] or 0), hash[11] or ''
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[4]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function give(number, joined_at_ms)
  redis.call('HSET', KEYS[2], ARGV[1], struct.pack('>I4I6', number, joined_at_ms))
  redis.call('XADD', KEYS[4], '*', 'n', number, 'b', ARGV[1], 't', string.format('%.0f', joined_at_ms), 'a', ARGV[5])
end

-- A signed token's number was given by us; one above what was issued cannot have been. The lower one wins, but once the
-- entries of a draw are closed nobody in it may choose between two. What was handed over is somebody else's, or nobody's.
local known = redis.call('HGET', KEYS[2], ARGV[1])
local number, joined_at_ms = math.huge, now_ms
if known then number, joined_at_ms = struct.unpack('>I4I6', known) end
if proven > 0 and proven <= issued and proven < number and number > size then
  if redis.call('GETBIT', KEYS[8], proven) == 0 then
    number = proven
    give(number, joined_at_ms)
  elseif not known then
    return {'MOVED'}
  end
end
if number <= issued then return {'OK', number, joined_at_ms, 0, size, key} end

if hash[5] == 'closed' then
  return {'CLOSED'}
elseif hash[5] == 'scheduled' and now_ms < tonumber(hash[6]) and ARGV[6] ~= '1' then
  return {'NOT_OPEN', tonumber(hash[6]), now_ms}
elseif issued >= tonumber(hash[4]) then
  return {'EXHAUSTED'}
end
local address_limit = tonumber(hash[7])
if address_limit > 0 then
  if tonumber(redis.call('HGET', KEYS[3], ARGV[2]) or 0) >= address_limit then return {'ADDRESS'} end
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
end

number = redis.call('HINCRBY', KEYS[1], 'issued', 1)
give(number, now_ms)
-- Who joins near the front was there just now; the first heartbeat is still to come.
if number <= tonumber(hash[9]) then
  redis.call('SETBIT', KEYS[5 + tonumber(hash[8]) % 3], number, 1)
end
return {'OK', number, now_ms, 1, size, key}
