-- configure(KEYS: queue; ARGV: version, phase, opens_at_ms, rate, max_active, enter_ms, choose_ms, address_limit, enabled, rules, ceiling,
--   draw_size, draw_key, now_us?) -> OK changed | RECOVER
-- queue: hash.   rules: the settings as JSON, shown by the status.   draw_size: '' no draw, -1 entries are open; draw_key: '' not held.
-- Why one script: the old rate must be settled at the moment the new one begins, and an older version must never win.
local TURN_CREDITS, BURST_US, GRACE_MS = 60000000, 2000000, 120000
local raw = redis.call('HMGET', KEYS[1], 'run_id', 'version', 'phase', 'rate', 'credits', 'credits_at_us', 'grace_until_ms', 'enabled',
  'issued', 'return_issued', 'ceiling')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if raw[1] ~= string.sub(info, found + 7, found + 46) then return {'RECOVER'} end
if tonumber(ARGV[1]) <= tonumber(raw[2]) then return {'OK', 0} end
local time = redis.call('TIME')
local now_us = tonumber(ARGV[14]) or tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)

local function full(rate)
  return rate > 0 and math.max(BURST_US * rate, math.min(2 * TURN_CREDITS, TURN_CREDITS + BURST_US * rate)) or 0
end
local phase, rate, old_rate, credits, grace_until_ms = ARGV[2], tonumber(ARGV[4]), tonumber(raw[4]), tonumber(raw[5]), tonumber(raw[7])
-- The record may still say that it is going to open when it already has.
if (phase == 'scheduled' or phase == 'pre_queue') and now_ms >= tonumber(ARGV[3]) then
  phase = 'open'
end
local elapsed_us = now_us - tonumber(raw[6])
if raw[3] == 'open' and old_rate > 0 and elapsed_us > 0 then
  credits = credits + math.min(elapsed_us, math.floor(full(old_rate) / old_rate) + 1) * old_rate
end
credits = math.min(credits, full(old_rate), full(rate))
if phase == 'open' and raw[3] ~= 'open' then
  credits = 0
  -- Who waited through a pause was asked to show presence all along; who waited for the opening was not.
  grace_until_ms = raw[3] == 'paused' and grace_until_ms or now_ms + GRACE_MS
end
-- What rises below the ceiling comes back from a strained checkout. It needs no grace: beyond whom advance knows to have been
-- asked everybody counts as present, and with one every few seconds nobody would ever be passed over.
if phase == 'open' and tonumber(ARGV[11]) > (tonumber(raw[11]) or old_rate) then
  grace_until_ms = now_ms + GRACE_MS
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'phase', phase, 'opens_at_ms', ARGV[3], 'rate', rate, 'ceiling', ARGV[11], 'max_active', ARGV[5],
  'enter_ms', ARGV[6], 'choose_ms', ARGV[7], 'address_limit', ARGV[8], 'enabled', ARGV[9], 'rules', ARGV[10],
  'credits', string.format('%.0f', credits), 'credits_at_us', string.format('%.0f', now_us), 'configured_at_us',
  string.format('%.0f', now_us), 'grace_until_ms', string.format('%.0f', grace_until_ms))
if ARGV[12] == '' then
  redis.call('HDEL', KEYS[1], 'draw_size', 'draw_key')
else
  -- Entries that were closed here stay closed, also when these settings do not know it yet.
  local size = ARGV[12] == '-1' and redis.call('HGET', KEYS[1], 'draw_size') or ARGV[12]
  redis.call('HSET', KEYS[1], 'draw_size', size, 'draw_key', ARGV[13])
  -- Numbers nobody is known to own were drawn among the others: only latecomers' are still in a row.
  local first = math.max(tonumber(redis.call('HGET', KEYS[1], 'unknown_first')), ARGV[13] ~= '' and size + 1 or 0)
  redis.call('HSET', KEYS[1], 'unknown_first', string.format('%.0f', first))
end
-- While the queue was off, everybody came in by themselves.
if raw[8] == '0' and ARGV[9] == '1' then
  redis.call('HSET', KEYS[1], 'serving', raw[9], 'return_serving', raw[10])
end
return {'OK', 1}
