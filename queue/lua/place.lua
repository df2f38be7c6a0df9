-- place(KEYS: queue, admitted, entered, holding, returns, handsfree, done, returns_handsfree, returns_done, owners, devices, buyers?, lots?;
--   ARGV: is_return, number, now_ms?, buyer?) -> OK number return_number standing deadline_ms joined_at_ms hands_free device | RECOVER | UNKNOWN
--   | OK number 0 in_draw 0 joined_at_ms 0 device draw_size draw_key weight     (asked by buyer: a number that is drawn, or will be)
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   returns: string, 4 bytes a number, its return number.
-- owners: string, 4 bytes a return number, whose it is.   handsfree, done: bitmaps by number, by return number.   lots: as in join.
-- devices: hash, number (before a draw j and what was joined with) -> device, the one before, since when.   buyers: hash, one bucket, buyer -> number and time.
-- Why one script: a place read in pieces could be admitted between two of them, and look lost.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'serving', 'return_issued', 'return_serving',
  'draw_size', 'draw_key')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if hash[2] ~= 'live' then return {'RECOVER'} end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[3]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local number, back, joined_at_ms = tonumber(ARGV[2]), 0, 0
if KEYS[12] then
  local known = redis.call('HGET', KEYS[12], ARGV[4])
  if not known then return {'UNKNOWN'} end
  number, joined_at_ms = struct.unpack('>I4I6', known)
  local size = tonumber(hash[7] or 0)
  if size < 0 or number <= size then
    local after = redis.call('BITPOS', KEYS[13], 0, number + 1, number + 100, 'BIT')
    after = after < 0 and redis.call('STRLEN', KEYS[13]) * 8 or after
    local device = redis.call('HGET', KEYS[11], 'j' .. number) or ''
    return {'OK', number, 0, 'in_draw', 0, joined_at_ms, 0, device, size, hash[8], math.max(1, after - number)}
  end
end
if ARGV[1] == '1' then
  number, back = redis.call('BITFIELD_RO', KEYS[10], 'GET', 'u32', '#' .. number)[1], number
else
  back = redis.call('BITFIELD_RO', KEYS[5], 'GET', 'u32', '#' .. number)[1]
end
local place, bits, at = tostring(number), 6, number
local issued, serving = tonumber(hash[3]), tonumber(hash[4])
if back > 0 then
  place, bits, at, issued, serving = 'r' .. back, 8, back, tonumber(hash[5]), tonumber(hash[6])
end
if at > issued then
  return {'UNKNOWN'}
end

local standing, deadline_ms = at > serving and 'ahead' or 'passed', 0
if redis.call('GETBIT', KEYS[bits + 1], at) == 1 then
  standing = 'done'
elseif standing == 'passed' then
  for key, word in pairs({[2] = 'admitted', [3] = 'entered', [4] = 'holding'}) do
    local until_ms = tonumber(redis.call('ZSCORE', KEYS[key], place) or 0)
    if until_ms > now_ms then
      standing, deadline_ms = word, until_ms
    end
  end
end
return {'OK', number, back, standing, deadline_ms, joined_at_ms, redis.call('GETBIT', KEYS[bits], at),
  redis.call('HGET', KEYS[11], number) or ''}
