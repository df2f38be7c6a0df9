-- stop_briefly(KEYS: queue; ARGV: for_ms, now_ms?) -> OK | RECOVER
-- queue: hash, stopped_until_ms: until then advance lets nobody in.
-- Why one script: the moment is by Redis' own clock, and a queue that was lost must not be made by this.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'RECOVER'}
end
local time = redis.call('TIME')
local now_ms = tonumber(ARGV[2]) or tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'stopped_until_ms', string.format('%.0f', now_ms + tonumber(ARGV[1])))
return {'OK'}
