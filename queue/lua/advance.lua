-- advance(KEYS: queue, admitted, entered, holding, admissions, here0, here1, here2, handsfree, done, the same five by return number,
--   nobody, returns_nobody; ARGV: admit_max, now_us?) -> OK first last return_first return_last admitted passed_over hands_free serving return_serving now_us
--   listen_due | RECOVER        queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   admissions: stream.
-- Bitmaps by number: here0-2 heard in this slice of time and the two before, handsfree a booking waits, done place used up, nobody left out by a recovery.
-- Why one script: two processes must never spend the same turn.
local ADMIT_MAX, REAP_MAX, STEPS_MAX, GRACE_MS, LISTEN_MS, TURN_CREDITS, BURST_US, LOG_MAX = 500, 1000, 400, 120000, 1000, 60000000, 2000000, 1000000
local NAMES = {'opens_at_ms', 'rate', 'max_active', 'enter_ms', 'choose_ms', 'issued', 'serving', 'return_issued', 'return_serving',
  'unknown_first', 'unknown_last', 'return_unknown_first', 'return_unknown_last', 'credits', 'credits_at_us', 'grace_until_ms',
  'asked_3', 'heard', 'listened_at_ms', 'free', 'taken', 'return_turn', 'stopped_until_ms', 'spare_to'}
local call, min, max, floor = redis.call, math.min, math.max, math.floor
local raw, q = call('HMGET', KEYS[1], 'run_id', 'state', 'phase', unpack(NAMES)), {}
-- guard: run id
local info = call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if raw[1] ~= string.sub(info, found + 7, found + 46) then return {'RECOVER'} end
-- end guard
if raw[2] ~= 'live' then return {'RECOVER'} end
for i, name in ipairs(NAMES) do q[name] = tonumber(raw[i + 3]) end
local time, phase, slots, reap = call('TIME'), raw[3], {}, REAP_MAX
local now_us = tonumber(ARGV[2]) or tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = floor(now_us / 1000)
-- Slots whose time is over are free again.
for key = 2, 4 do
  local late = reap > 0 and call('ZRANGE', KEYS[key], '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, reap) or {}
  if #late > 0 then call('ZREM', KEYS[key], unpack(late)) end
  reap, slots[key] = reap - #late, call('ZCARD', KEYS[key])
end
if (phase == 'scheduled' or phase == 'pre_queue') and now_ms >= q.opens_at_ms then
  phase, q.credits, q.credits_at_us, q.grace_until_ms = 'open', 0, now_us, now_ms + GRACE_MS
end

-- The rate: queue/rate.py, in the same integers. Then slots, then tickets.
local full = q.rate > 0 and max(BURST_US * q.rate, min(2 * TURN_CREDITS, TURN_CREDITS + BURST_US * q.rate)) or 0
local elapsed_us = phase == 'open' and q.rate > 0 and max(0, now_us - q.credits_at_us) or 0
q.credits = min(full, q.credits + (elapsed_us > 0 and min(elapsed_us, floor(full / q.rate) + 1) * q.rate or 0))
local want = phase == 'open' and now_ms >= (q.stopped_until_ms or 0) and min(tonumber(ARGV[1]), ADMIT_MAX, floor(q.credits / TURN_CREDITS)) or 0
if q.max_active > 0 then want = min(want, q.max_active - slots[2] - slots[3] - slots[4]) end
if q.free then want = min(want, q.free - q.taken - slots[2] - slots[3]) end
want = max(0, want)

local everyone, admit, enter, steps = false, {}, {}, STEPS_MAX
-- guard: grace
everyone = now_ms < q.grace_until_ms or q.heard == 0
-- end guard
local function lane(keys, letter, prefix, asked_to, nobody)
  return {heard = {KEYS[keys], KEYS[keys + 1], KEYS[keys + 2], KEYS[keys + 3]}, handsfree = KEYS[keys + 3], done = KEYS[keys + 4], nobody = KEYS[nobody],
    letter = letter, from = q[prefix .. 'serving'], at = q[prefix .. 'serving'], last = min(q[prefix .. 'issued'], q[prefix .. 'spare_to'] or math.huge),
    asked_to = asked_to, unknown_first = q[prefix .. 'unknown_first'], unknown_last = q[prefix .. 'unknown_last'], next = {}, passed = {}, over = 0, count = 0}
end
local function following(one, key, n)  -- The first number from n on with its bit set; looked up only when n is beyond the last one found.
  if (one.next[key] or 0) < n then
    local at = call('BITPOS', key, 1, n, one.last, 'BIT')
    one.next[key] = at < 0 and math.huge or at
  end
  return one.next[key]
end
local function run_end(key, n, to)  -- Where the run of set bits that begins at n ends, at most at `to`.
  local at = call('BITPOS', key, 0, n, to, 'BIT')
  return at < 0 and min(to, call('STRLEN', key) * 8 - 1) or at - 1
end
local function stretch(one, n)  -- Up to where it is the same for all; must they have been heard?
  if n >= one.unknown_first and n <= one.unknown_last then return min(one.last, one.unknown_last), true end
  if following(one, one.nobody, n) == n then return run_end(one.nobody, n, one.last), true end
  local to = min(one.next[one.nobody] - 1, n < one.unknown_first and min(one.last, one.unknown_first - 1) or one.last)
  if everyone or n > one.asked_to then return to, false end
  return min(to, one.asked_to), true
end
local function pass(one, to)
  table.insert(one.passed, (one.at + 1) .. '-' .. to)
  one.over, one.at = one.over + to - one.at, to
end
local function let_in(one, to)
  for n = one.at + 1, to do
    local booked = following(one, one.handsfree, n) == n
    local group, until_ms = booked and enter or admit, string.format('%.0f', now_ms + (booked and q.choose_ms or q.enter_ms))
    group[#group + 1], group[#group + 2] = until_ms, one.letter .. n
  end
  one.count, one.at = one.count + to - one.at, to
end
local function walk(one, turns)
  local stop = one.count + turns
  while one.count < stop and one.at < one.last and steps > 0 do
    local n, to, checked = one.at + 1, stretch(one, one.at + 1)
    local done, present, heard = following(one, one.done, n), checked and math.huge or n, checked and one.heard or {}
    steps = steps - 1
    for _, key in ipairs(heard) do present = min(present, following(one, key, n)) end
    if done == n then
      pass(one, run_end(one.done, n, to))
    elseif present > n then
      pass(one, min(to, present - 1, done - 1))
    else
      local run = checked and n or to
      for _, key in ipairs(heard) do run = one.next[key] == n and max(run, run_end(key, n, to)) or run end
      let_in(one, min(run, done - 1, one.at + stop - one.count))
    end
  end
end

local numbers, returns = lane(6, '', '', q.asked_3, 16), lane(11, 'r', 'return_', math.huge, 17)
-- While both have people, returns take at most half of each run; of a single turn every other one.
local both = numbers.at < numbers.last and returns.at < returns.last
walk(returns, both and floor((want + q.return_turn) / 2) or want)
walk(numbers, want - returns.count)
walk(returns, want - returns.count - numbers.count)
local admitted, due = numbers.count + returns.count, now_ms - q.listened_at_ms >= LISTEN_MS or now_ms < q.listened_at_ms
if both and admitted % 2 == 1 then q.return_turn = 1 - q.return_turn end
for key, group in pairs({[2] = admit, [3] = enter}) do if #group > 0 then call('ZADD', KEYS[key], unpack(group)) end end
call('HSET', KEYS[1], 'phase', phase, 'credits', string.format('%.0f', q.credits - admitted * TURN_CREDITS), 'credits_at_us',
  string.format('%.0f', now_us), 'grace_until_ms', string.format('%.0f', q.grace_until_ms), 'return_turn', q.return_turn)
local function went(one) return one.at > one.from and one.from + 1 or 0, one.at > one.from and one.at or 0 end
local first, last = went(numbers)
local return_first, return_last = went(returns)
if last > 0 or return_last > 0 then
  call('HSET', KEYS[1], 'serving', numbers.at, 'return_serving', returns.at)
  call('HINCRBY', KEYS[1], 'admitted_total', admitted)
  call('XADD', KEYS[5], 'MAXLEN', '~', LOG_MAX, '*', 's', call('HINCRBY', KEYS[1], 'seq', 1), 't', string.format('%.0f', now_us), 'n', first .. '-' .. last,
    'r', return_first .. '-' .. return_last, 'a', admitted, 'p', table.concat(numbers.passed, ','), 'q', table.concat(returns.passed, ','))
end
return {'OK', first, last, return_first, return_last, admitted, numbers.over + returns.over, #enter / 2, numbers.at, returns.at,
  string.format('%.0f', now_us), due and 1 or 0}
