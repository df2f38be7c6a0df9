-- pace(KEYS: pace; ARGV: interval_us, burst_us, wait_max_ms, now_ms?) -> milliseconds to wait for the turn just taken, or -1: none taken
-- pace: string, the time in microseconds at which the next turn is due (GCRA's theoretical arrival time).
-- Why one script: workers on many machines share one provider's rate limit, and two must never take the same turn.
local now_us
if ARGV[4] then
  now_us = tonumber(ARGV[4]) * 1000
else
  local time = redis.call('TIME')
  now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local interval_us, burst_us, wait_max_us = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000

local due_us = tonumber(redis.call('GET', KEYS[1]) or now_us)
-- A clock that jumped back must not leave a turn in the far future: nothing is due later than the longest wait and a burst.
if due_us > now_us + burst_us + wait_max_us + interval_us then
  due_us = now_us
end
due_us = math.max(due_us, now_us)

local wait_us = math.max(0, due_us - burst_us - now_us)
if wait_us > wait_max_us then
  return -1
end
redis.call('SET', KEYS[1], string.format('%.0f', due_us + interval_us), 'PX', math.ceil((due_us + interval_us - now_us) / 1000) + 1000)
return math.ceil(wait_us / 1000)
