-- set_stock(KEYS: queue; ARGV: free, held, sections, list, asked_to, so_far) -> OK | RECOVER
-- queue: hash, free / held: tickets in the record, less what is kept for a waiting list.   list: 1 while there is one; it asks for
-- presence up to the number asked_to.   sections: JSON, shown by the status.   taken: holds since the record was counted.
-- so_far: JSON, who bought how many, and which section sold out when.
-- Why one script: counting starts afresh at the moment the new numbers are in force, and a lost queue must not begin with its stock.
local run_id = redis.call('HGET', KEYS[1], 'run_id')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if run_id ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
redis.call('HSET', KEYS[1], 'free', ARGV[1], 'held', ARGV[2], 'sections', ARGV[3], 'taken', 0, 'list', ARGV[4], 'so_far', ARGV[6])
if tonumber(ARGV[5]) > tonumber(redis.call('HGET', KEYS[1], 'asked_to')) then
  redis.call('HSET', KEYS[1], 'asked_to', ARGV[5])
end
return {'OK'}
