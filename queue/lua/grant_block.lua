-- grant_block(KEYS: queue; ARGV: last) -> OK block_end | RECOVER
-- queue: hash, block_end: the highest number reserved in the record.
-- Why one script: two processes that reserve at the same time must not take a block back.
local hash = redis.call('HMGET', KEYS[1], 'run_id', 'block_end')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
if hash[1] ~= string.sub(info, found + 7, found + 46) then
  return {'RECOVER'}
end
local block_end = math.max(tonumber(hash[2]), tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'block_end', string.format('%.0f', block_end))
return {'OK', block_end}
