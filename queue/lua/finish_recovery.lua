-- finish_recovery(KEYS: queue; ARGV: now_us?) -> OK | RECOVER
-- queue: hash, state: recovering -> live.
-- Why one script: only what was restored under this very run id may be opened.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'admitted_total')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
if hash[2] == 'recovering' then
  local now_us = tonumber(ARGV[1])
  if not now_us then
    local time = redis.call('TIME')
    now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  redis.call('HSET', KEYS[1], 'state', 'live', 'credits', 0, 'credits_at_us', string.format('%.0f', now_us),
    'grace_until_ms', string.format('%.0f', math.floor(now_us / 1000) + 120000),
    'samples', string.format('%.0f:%.0f', math.floor(now_us / 1000), tonumber(hash[3])))
end
return {'OK'}
