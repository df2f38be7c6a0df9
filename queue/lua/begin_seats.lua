-- begin_seats(KEYS: tickets, about, log; ARGV: keep_ms, layout, bytes) -> epoch, and 1 when it is a new one
-- tickets: string, 11 bytes a ticket.   about: hash, epoch / seq / run_id / layout / bytes.   log: stream, seq -> changes.
-- Why one script: numbers of one epoch must never be compared with those of another, nor a log read beside the wrong tickets.
local about = redis.call('HMGET', KEYS[2], 'epoch', 'run_id', 'layout', 'bytes')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
local run_id = string.sub(info, found + 7, found + 46)
local bytes = tonumber(ARGV[3])
local long = redis.call('STRLEN', KEYS[1])
if about[1] and about[2] == run_id and about[3] == ARGV[2] and tonumber(about[4]) == bytes and long >= bytes then
  return {about[1], 0}
end
local time = redis.call('TIME')
-- The microsecond it began in; the server's id beside it, for clocks that jump back.
local epoch = string.format('%x', tonumber(time[1]) * 1000000 + tonumber(time[2])) .. string.sub(run_id, 1, 4)
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'epoch', epoch, 'seq', 0, 'run_id', run_id, 'layout', ARGV[2], 'bytes', bytes)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
if long < bytes then
  redis.call('SETRANGE', KEYS[1], bytes - 1, '\0')
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', KEYS[2], '')
return {epoch, 1}
