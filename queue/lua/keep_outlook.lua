-- keep_outlook(KEYS: queue; ARGV: at_ms, outlook) -> OK kept | RECOVER        (kept 0: a newer one is there)
-- queue: hash, outlook: JSON, what was last promised to those who wait.   outlook_at_ms: when.
-- Why one script: an older promise must not replace a newer one, and a lost queue must not begin with its promises.
local raw = redis.call('HMGET', KEYS[1], 'run_id', 'outlook_at_ms')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if raw[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
if tonumber(ARGV[1]) <= tonumber(raw[2] or 0) then
  return {'OK', 0}
end
redis.call('HSET', KEYS[1], 'outlook_at_ms', ARGV[1], 'outlook', ARGV[2])
return {'OK', 1}
