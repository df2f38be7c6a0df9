-- snapshot(KEYS: queue, admitted, entered, holding, done, returns_done, nobody, returns_nobody; ARGV: now_ms?)
--   -> OK now_ms whole waiting admitted entered holding name value ... | RECOVER       (whole 0: another server's queue, or one being restored)
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   done: bitmaps of used places by number, by return number.
-- nobody: bitmaps of numbers without an owner.
-- Why one script: one round trip, and numbers that belong together.
local hash = redis.call('HGETALL', KEYS[1])
if #hash == 0 then
  return {'RECOVER'}
end
local q = {}
for i = 1, #hash, 2 do
  q[hash[i]] = hash[i + 1]
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[1]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
local whole = q.state == 'live' and q.run_id == string.sub(info, found + 7, found + 46)

local waiting = 0
for key, prefix in pairs({[5] = '', [6] = 'return_'}) do
  local first, last = tonumber(q[prefix .. 'serving']) + 1, tonumber(q[prefix .. 'issued'])
  if last >= first then
    local nobody = math.min(last, tonumber(q[prefix .. 'unknown_last'])) - math.max(first, tonumber(q[prefix .. 'unknown_first'])) + 1
    waiting = waiting + last - first + 1 - math.max(0, nobody)
    for _, bits in ipairs({key, key + 2}) do
      waiting = waiting - redis.call('BITCOUNT', KEYS[bits], first, last, 'BIT')
    end
  end
end
-- Further numbers of a weight in a draw that were not passed yet are nobody's.
waiting = waiting - math.max(0, tonumber(q.spare or 0) - tonumber(q.spare_passed or 0))
local counted = {}
for key = 2, 4 do
  counted[key] = redis.call('ZCARD', KEYS[key])
end
return {'OK', now_ms, whole and 1 or 0, math.max(0, waiting), counted[2], counted[3], counted[4], unpack(hash)}
