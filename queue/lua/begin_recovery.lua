-- begin_recovery(KEYS: queue, admitted, entered, holding, here0, here1, here2, handsfree, returns_here0, returns_here1, returns_here2,
--   returns_handsfree, nobody, returns_nobody;
--   ARGV: issued, serving, return_issued, return_serving, unknown_first, return_unknown_first, seq, admitted_total, now_us?)
--   -> OK, and nothing | another_server | unfinished (what was there instead) or '' when the queue is whole
-- queue: hash.   admitted, entered, holding: sorted sets, place -> deadline in ms.   Bitmaps of presence, of hands-free bookings, of nobody's numbers.
-- Why one script: the queue must never be seen half old, half restored. Closed to buyers until finish_recovery.
local raw = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'serving', 'return_serving', 'issued', 'return_issued', 'seq')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
local run_id = string.sub(info, found + 7, found + 46)
if raw[1] == run_id and raw[2] == 'live' then
  return {'OK', ''}
end
local time = redis.call('TIME')
local now_us = tonumber(ARGV[9]) or tonumber(time[1]) * 1000000 + tonumber(time[2])

-- What an older copy still knows is true as far as it goes: nothing ever falls below it.
local function most(argument, old)
  return string.format('%.0f', math.max(tonumber(ARGV[argument]), tonumber(raw[old] or 0)))
end
local issued, return_issued = most(1, 5), most(3, 6)
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'run_id', run_id, 'state', 'recovering', 'version', -1, 'phase', 'paused', 'opens_at_ms', 0, 'rate', 0,
  'max_active', 0, 'enter_ms', 0, 'choose_ms', 0, 'address_limit', 0, 'enabled', 1, 'rules', '',
  'issued', issued, 'block_end', ARGV[1], 'serving', most(2, 3), 'return_issued', return_issued, 'return_serving', most(4, 4),
  'unknown_first', ARGV[5], 'unknown_last', issued, 'return_unknown_first', ARGV[6], 'return_unknown_last', return_issued,
  'credits', 0, 'credits_at_us', string.format('%.0f', now_us), 'grace_until_ms', 0, 'slice', math.floor(now_us / 60000000),
  'asked_to', 0, 'asked_1', 0, 'asked_2', 0, 'asked_3', 0, 'heard', 0, 'listened_at_ms', 0, 'taken', 0, 'return_turn', 0,
  'seq', most(7, 7), 'admitted_total', ARGV[8])
return {'OK', not raw[1] and 'nothing' or raw[1] ~= run_id and 'another_server' or 'unfinished'}
