-- look_up(KEYS: followed, slot, reading; ARGV: name, whole, known, token, reading_ms, keep_ms)
--   -> ALONE | SAME | HIT tag text | READ generation stamp | WAIT          (whole 1: any change of the catalogue outdates it)
-- followed: string, "generation position changed", there while the change stream is followed.   reading: string, who reads the record for it.
-- slot: hash, name / generation / stamp / text, and floor: nothing read before this LSN may be told.
-- Why one script: whether the copy may be told and who reads it anew are decided at one moment, for all processes.
local followed = redis.call('GET', KEYS[1])
if not followed then
  return {'ALONE'}
end
local generation, position, changed = string.match(followed, '^(%S+) (%d+) (%d+)$')
local whole = ARGV[2] == '1'
local slot = redis.call('HMGET', KEYS[2], 'generation', 'name', 'stamp', 'floor', 'text', 'rival')
if slot[1] == generation and slot[2] == ARGV[1] and slot[5] then
  -- Numbers are exact up to 2^53: nine petabytes of log.
  if tonumber(slot[3]) >= tonumber(whole and changed or slot[4]) then
    if slot[6] then
      redis.call('HDEL', KEYS[2], 'rival')
    end
    local tag = generation .. ':' .. slot[3]
    if tag == ARGV[3] then
      return {'SAME'}
    end
    return {'HIT', tag, slot[5]}
  end
end
if not redis.call('SET', KEYS[3], ARGV[4], 'NX', 'PX', ARGV[5]) then
  return {'WAIT'}
end
-- What is read now is kept only if this is still there: an evicted floor must not let an old copy in.
if slot[1] ~= generation then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'generation', generation, 'floor', position)
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return {'READ', generation, whole and changed or position}
