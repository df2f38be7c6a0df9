-- pass_spare(KEYS: queue, done; ARGV: from, to, size, number, ...) -> OK looked_to | RECOVER    (-1: nothing is to be looked through)
-- queue: hash, spare_to: up to where the drawn numbers were looked through; nobody beyond is let in.   done: bitmap of used places.
-- numbers: those of from + 1 to `to` that are nobody's, since another one of their holder's is better.
-- Why one script: a number may be let in only after all before it were marked, and two processes must not count one stretch twice.
local raw = redis.call('HMGET', KEYS[1], 'run_id', 'spare_to')
-- guard: run id
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if raw[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
-- end guard
if not raw[2] or raw[2] ~= ARGV[1] then
  return {'OK', tonumber(raw[2] or -1)}
end
for i = 4, #ARGV do
  redis.call('SETBIT', KEYS[2], ARGV[i], 1)
end
redis.call('HINCRBY', KEYS[1], 'spare_passed', #ARGV - 3)
if tonumber(ARGV[2]) < tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'spare_to', ARGV[2])
  return {'OK', tonumber(ARGV[2])}
end
redis.call('HDEL', KEYS[1], 'spare_to')
return {'OK', -1}
