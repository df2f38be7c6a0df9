-- claim(KEYS: queue, done, vacant; ARGV: number) -> OK claimed | RECOVER
-- queue: hash.   done: bitmap of used places.   vacant: bitmap of those that are used only because nobody was known to have them.
-- Why one script: whoever proves such a number must have it whole; passed meanwhile, it may come back with a return number.
if not redis.call('HGET', KEYS[1], 'run_id') then
  return {'RECOVER'}
end
if redis.call('GETBIT', KEYS[3], ARGV[1]) == 0 then
  return {'OK', 0}
end
redis.call('SETBIT', KEYS[3], ARGV[1], 0)
redis.call('SETBIT', KEYS[2], ARGV[1], 0)
return {'OK', 1}
