-- listen(KEYS: queue, here0, here1, here2, handsfree, done, the same five by return number, nobody, returns_nobody; ARGV: now_ms?) -> OK | RECOVER
-- queue: hash, slice / asked_to / heard / ...   Bitmaps by number: here0-2 heard in this slice of time and the two before, handsfree a
-- booking waits, done place used up.   Why one script: a slice that begins, what was asked in it and who was heard belong together.
-- Runs once a second, after an advance that says it is due.
local SLICE_MS, HEARD_NUMBERS_MAX, ASKED_MIN, ASKED_MINUTES = 60000, 20000, 500, 4
local SAMPLE_MS, SAMPLES = 5000, 14
local NAMES = {'rate', 'issued', 'serving', 'return_issued', 'return_serving', 'unknown_first', 'unknown_last', 'return_unknown_first',
  'return_unknown_last', 'slice', 'asked_to', 'asked_1', 'asked_2', 'asked_3', 'admitted_total'}
local raw, q = redis.call('HMGET', KEYS[1], 'state', 'phase', 'samples', unpack(NAMES)), {}
if raw[1] ~= 'live' then
  return {'RECOVER'}
end
for i, name in ipairs(NAMES) do
  q[name] = tonumber(raw[i + 3])
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[1]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- asked_3: up to where presence was asked for before the oldest of the three slices began, at least two poll intervals ago.
local slice = math.floor(now_ms / SLICE_MS)
for new = math.max(q.slice + 1, slice - 2), slice do
  redis.call('UNLINK', KEYS[2 + new % 3], KEYS[7 + new % 3])
  q.asked_3, q.asked_2, q.asked_1 = q.asked_2, q.asked_1, q.asked_to
end
if raw[2] == 'open' then
  q.asked_to = math.max(q.asked_to, q.serving + math.max(ASKED_MIN, q.rate * ASKED_MINUTES))
end

-- Heartbeats that hardly arrive prove nothing about who is there: with under half of those asked heard, advance passes over nobody.
local asked, heard = 0, 0
for keys, prefix in pairs({[2] = '', [7] = 'return_'}) do
  local first, last, nobody = q[prefix .. 'serving'] + 1, q[prefix .. 'issued'], keys == 2 and 12 or 13
  last = math.min(last, first + HEARD_NUMBERS_MAX - 1, keys == 2 and q.asked_3 or last)
  if last >= first then
    local function count(key)
      return redis.call('BITCOUNT', KEYS[key], first, last, 'BIT')
    end
    local unknown = math.min(last, q[prefix .. 'unknown_last']) - math.max(first, q[prefix .. 'unknown_first']) + 1
    asked = asked + last - first + 1 - count(keys + 3) - count(keys + 4) - count(nobody) - math.max(0, unknown)
    heard = heard + math.max(count(keys), count(keys + 1), count(keys + 2))
  end
end

-- The total so far, every five seconds and for the last minute, for how many came in per minute.
local samples = {}
for sample in string.gmatch(raw[3] or '', '%S+') do
  table.insert(samples, sample)
end
local newest = tonumber(string.match(samples[1] or '', '^%d+'))
if not newest or now_ms - newest >= SAMPLE_MS or now_ms < newest then
  table.insert(samples, 1, string.format('%.0f:%.0f', now_ms, q.admitted_total))
end
redis.call('HSET', KEYS[1], 'samples', table.concat(samples, ' ', 1, math.min(#samples, SAMPLES)), 'slice', slice,
  'asked_to', q.asked_to, 'asked_1', q.asked_1, 'asked_2', q.asked_2, 'asked_3', q.asked_3, 'heard', heard * 2 >= asked and 1 or 0,
  'asked', asked, 'heard_people', heard,
  'listened_at_ms', string.format('%.0f', now_ms))
return {'OK'}
