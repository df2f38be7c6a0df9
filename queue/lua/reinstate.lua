-- reinstate(KEYS: queue, returns, done, returns_done, revoked; ARGV: number, ...) -> OK reinstated | RECOVER
-- queue: hash.   returns: string, 4 bytes a number, its return number.   done, returns_done: bitmaps of used places.
-- revoked: bitmap of those that are used only because staff revoked them.
-- Why one script: whoever stands again must stand whole; a number passed meanwhile may come back with a return number.
if not redis.call('HGET', KEYS[1], 'run_id') then
  return {'RECOVER'}
end
local count = 0
for i = 1, #ARGV do
  local number = tonumber(ARGV[i])
  if redis.call('GETBIT', KEYS[5], number) == 1 then
    local back = redis.call('BITFIELD_RO', KEYS[2], 'GET', 'u32', '#' .. number)[1]
    redis.call('SETBIT', KEYS[5], number, 0)
    redis.call('SETBIT', KEYS[3], number, 0)
    if back > 0 then
      redis.call('SETBIT', KEYS[4], back, 0)
    end
    count = count + 1
  end
end
return {'OK', count}
