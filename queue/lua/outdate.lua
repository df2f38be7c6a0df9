-- outdate(KEYS: slot, ...; ARGV: generation, lsn, keep_ms) -> how many floors were raised
-- slot: hash, as in look_up. Its floor stays when nothing is kept there: who has read the record before comes too late.
-- Why one script: the floor only rises, whoever writes and in whatever order.
local raised = 0
for _, key in ipairs(KEYS) do
  local known = redis.call('HMGET', key, 'generation', 'floor')
  if known[1] ~= ARGV[1] then
    redis.call('DEL', key)
    redis.call('HSET', key, 'generation', ARGV[1], 'floor', ARGV[2])
    raised = raised + 1
  elseif tonumber(known[2]) < tonumber(ARGV[2]) then
    redis.call('HSET', key, 'floor', ARGV[2])
    raised = raised + 1
  end
  redis.call('PEXPIRE', key, ARGV[3])
end
return raised
