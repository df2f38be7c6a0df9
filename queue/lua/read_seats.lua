-- read_seats(KEYS: tickets, about, log; ARGV: epoch, seq) -> UNKNOWN | CHANGES epoch seq, seq changes ...
--   | WHOLE epoch seq layout tickets, seq changes ...
-- tickets: string, 11 bytes a ticket.   about: hash, epoch / seq / run_id / layout / bytes.   log: stream, seq -> changes.
-- Why one script: the tickets, their number and the log that led there are read at one moment.
local about = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'run_id', 'bytes')
local info = redis.call('INFO', 'server')
local found = string.find(info, 'run_id:', 1, true)
-- Lost, back from the past, or evicted in part: only the record knows.
if not about[1] or about[3] ~= string.sub(info, found + 7, found + 46) or redis.call('STRLEN', KEYS[1]) < tonumber(about[4]) then
  return {'UNKNOWN'}
end
local answer = {'CHANGES', about[1], about[2]}

local function add(entries)
  for _, entry in ipairs(entries) do
    table.insert(answer, string.sub(entry[1], 1, -3))
    table.insert(answer, entry[2][2])
  end
end

local missing = about[1] == ARGV[1] and tonumber(about[2]) - tonumber(ARGV[2]) or -1
if missing == 0 then
  return answer
end
if missing > 0 then
  local entries = redis.call('XRANGE', KEYS[3], (ARGV[2] + 1) .. '-0', '+')
  if #entries == missing then
    add(entries)
    return answer
  end
end
answer = {'WHOLE', about[1], about[2], redis.call('HGET', KEYS[2], 'layout'), redis.call('GET', KEYS[1])}
add(redis.call('XRANGE', KEYS[3], '-', '+'))
return answer
