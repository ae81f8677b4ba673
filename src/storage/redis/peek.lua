-- Says what consume.lua would say now, and takes nothing.
--
-- KEYS   one bucket per charge, none twice, all in one hash slot
-- ARGV   four integers per charge, as in consume.lua: cost, capacity, units that drain per microsecond, interval
-- reply  {1 would be taken or 0 refused, now in microseconds since 1970, debt of each bucket in units as it stands}

local reply = {1, now}
for i = 1, #KEYS do
  local last = i * 4
  local capacity, interval = ARGV[last - 2] + 0, ARGV[last] + 0
  local debt = read(KEYS[i], tick_of(now, interval), capacity, ARGV[last - 1] + 0, interval)
  if debt + ARGV[last - 3] > capacity then reply[1] = 0 end
  reply[i + 2] = debt
end
return reply
