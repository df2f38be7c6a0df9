-- close_entries(KEYS: queue) -> OK size | RECOVER | UNKNOWN
-- queue: hash, issued / draw_size.   draw_size: -1 while entries are open, then how many numbers will be drawn.
-- Why one script: no join may come between counting the entries and closing them. Who joins later is no entry.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'state', 'issued', 'draw_size')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if hash[2] ~= 'live' then
  return {'RECOVER'}
end
if not hash[4] then
  return {'UNKNOWN'}
end
if tonumber(hash[4]) < 0 then
  redis.call('HSET', KEYS[1], 'draw_size', hash[3])
  return {'OK', tonumber(hash[3])}
end
return {'OK', tonumber(hash[4])}
