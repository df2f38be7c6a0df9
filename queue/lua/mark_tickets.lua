-- mark_tickets(KEYS: tickets, about, log; ARGV: keep_ms, log_max, ordinal, version, until_ms, ...) -> how many were written
--   (until_ms 0: free; 2^48 - 1: sold; else held until then)
-- tickets: string, 11 bytes a ticket from ordinal 1: version (4), letter f, h or s (1), until_ms (6); zeros were never marked: free.
--   A free ticket keeps its version, or an old hold could come back.
-- about: hash, epoch / seq / run_id / layout / bytes.   log: stream, seq -> ordinal (3) and letter (1) of each change of that write.
-- Why one script: an older version, coming late, must never overwrite a newer one; and a change, its number in the log and the word of
-- it (published under the name of `about`) must be one, or somebody would wait for what has been.
local WIDTH, SOLD = 11, 281474976710655
local about = redis.call('HMGET', KEYS[2], 'epoch', 'run_id', 'bytes')
if about[1] and redis.call('STRLEN', KEYS[1]) < tonumber(about[3]) then
  -- The tickets were evicted: what is marked now must not be taken for all there was.
  redis.call('UNLINK', KEYS[2])
  about = {}
end
local written, changes = 0, {}
for first = 3, #ARGV, 3 do
  local ordinal, version, until_ms = tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local at = (ordinal - 1) * WIDTH
  local raw = redis.call('GETRANGE', KEYS[1], at, at + WIDTH - 1)
  local known, letter_then, known_until = 0, '\0', 0
  if #raw == WIDTH then
    known, letter_then, known_until = struct.unpack('>I4c1I6', raw)
  end
  -- At one version only a deadline moves, and only to a later one.
  if version > known or (version == known and (until_ms > known_until or letter_then == '\0')) then
    local letter = until_ms == 0 and 'f' or until_ms == SOLD and 's' or 'h'
    redis.call('SETRANGE', KEYS[1], at, struct.pack('>I4c1I6', version, letter, until_ms))
    written = written + 1
    if letter ~= (letter_then == '\0' and 'f' or letter_then) then
      table.insert(changes, struct.pack('>I3c1', ordinal, letter))
    end
  end
end
if written > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
if #changes > 0 then
  local info = redis.call('INFO', 'server')
  local found = string.find(info, 'run_id:', 1, true)
  -- Numbers of another server are over: whoever keeps the seats begins a new epoch.
  if about[2] == string.sub(info, found + 7, found + 46) then
    local seq = redis.call('HINCRBY', KEYS[2], 'seq', 1)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], seq .. '-0', 'c', table.concat(changes))
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[3], ARGV[1])
  end
  redis.call('PUBLISH', KEYS[2], '')
end
return written
