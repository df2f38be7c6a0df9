-- vouch(KEYS: followed; ARGV: run_id, generation, position, changed, since_ms, vouched_ms) -> OK | LATE | OTHER
-- followed: string, "generation position changed": all that was committed before since_ms, by this server's clock, is in the copies.
-- Why one script: how long that may be believed goes by the one clock it was begun on, however long the caller was stopped in between.
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if ARGV[1] ~= string.sub(info, found + 7, found + 46) then
  return 'OTHER'
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local left_ms = tonumber(ARGV[5]) + tonumber(ARGV[6]) - now_ms
if left_ms <= 0 then
  return 'LATE'
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4], 'PX', left_ms)
return 'OK'
