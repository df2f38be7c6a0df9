-- vacate(KEYS: queue, handsfree, done, vacant; ARGV: number, ...) -> OK vacated | RECOVER
-- queue: hash.   handsfree, done: bitmaps by number, a booking waits, the place is used up.
-- vacant: bitmap of the numbers that are used only because nobody is known to have joined with what was drawn as them.
-- Why one script: a number must never be passed over by everybody, and be claimable by nobody.
if not redis.call('HGET', KEYS[1], 'run_id') then
  return {'RECOVER'}
end
local count = 0
for i = 1, #ARGV do
  local number = tonumber(ARGV[i])
  -- Whoever booked under it has it, whether or not their joining was written down; what is used up stays so when claimed.
  if redis.call('GETBIT', KEYS[2], number) == 0 and redis.call('GETBIT', KEYS[3], number) == 0 then
    redis.call('SETBIT', KEYS[3], number, 1)
    redis.call('SETBIT', KEYS[4], number, 1)
    count = count + 1
  end
end
return {'OK', count}
