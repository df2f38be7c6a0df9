-- mark_tickets(KEYS: tickets; ARGV: keep_ms, ticket, version, until_ms, ...) -> how many were written       (until_ms 0: free)
-- tickets: hash, ticket id -> version (4 bytes) and until_ms (6 bytes). A free ticket keeps its version, or an old hold could come back.
-- Why one script: an older version, coming late, must never overwrite a newer one.
local written = 0
for first = 2, #ARGV, 3 do
  local version, until_ms = tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local known = redis.call('HGET', KEYS[1], ARGV[first])
  if not known or struct.unpack('>I4', known) <= version then
    redis.call('HSET', KEYS[1], ARGV[first], struct.pack('>I4I6', version, until_ms))
    written = written + 1
  end
end
if written > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return written
