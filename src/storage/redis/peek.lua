-- Says what consume.lua would say now, and takes nothing.
--
-- KEYS   one bucket per charge, none twice, all in one hash slot
-- ARGV   four integers per charge, as in consume.lua: cost, capacity, units that drain per microsecond, interval
-- reply  {1 would be taken or 0 refused, now in microseconds since 1970, debt of each bucket in units as it stands, three
--        integers for each sliding window as in consume.lua}

local reply, told = {1, now}, #KEYS + 2
for i = 1, #KEYS do
  local last = i * 4
  local capacity, interval = ARGV[last - 2] + 0, ARGV[last] + 0
  local debt
  if interval < 0 then
    local window = read_window(KEYS[i], capacity, ARGV[last - 1] + 0, -interval)
    debt = window.used
    reply[told + 1], reply[told + 2], reply[told + 3] = window.kind.tell(window, ARGV[last - 3] / window.units)
    told = told + 3
  else
    debt = read(KEYS[i], tick_of(now, interval), capacity, ARGV[last - 1] + 0, interval)
  end
  if debt + ARGV[last - 3] > capacity then reply[1] = 0 end
  reply[i + 2] = debt
end
return reply
