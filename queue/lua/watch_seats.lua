-- watch_seats(KEYS: watched; ARGV: keep_ms, most, event, ...) -> the events whose seats somebody watches
-- watched: sorted set, event id -> when a process last said that somebody is looking, in ms.
-- Why one script: Redis' own clock says what is long ago, and the set never grows beyond `most`.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for i = 3, #ARGV do
  redis.call('ZADD', KEYS[1], now_ms, ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - tonumber(ARGV[1]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
