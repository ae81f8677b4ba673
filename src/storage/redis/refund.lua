-- Gives back charges that were taken at one instant, each less what has drained since: a bucket that never saw the
-- charge would not hold more. A sliding window loses what is still in it of the charge, wherever it stands there, as if it
-- had never been made. A bucket that becomes full loses its key. What is given back without having been taken, a grant,
-- has not drained; a sliding window owes so much less, a log by its oldest charges.
--
-- KEYS   one bucket per charge, none twice, all in one hash slot
-- ARGV   first the instant at which the charges were taken, in microseconds since 1970 by the clock of this server; of a
--        grant 2^53 - 1, which no clock reaches;
--        then four integers per charge, as in consume.lua: cost, capacity, units that drain per microsecond, interval
-- reply  none

local GRANTED_AT = 9007199254740991

local taken_at = ARGV[1] + 0
for i = 1, #KEYS do
  local last = i * 4 + 1
  local cost, capacity, refill, interval = ARGV[last - 3] + 0, ARGV[last - 2] + 0, ARGV[last - 1] + 0, ARGV[last] + 0
  if interval < 0 then
    local window = read_window(KEYS[i], capacity, refill, -interval)
    if taken_at == GRANTED_AT then
      window.kind.grant(window, cost / window.units)
    else
      window.kind.take_out(window, cost / window.units, taken_at)
    end
  else
    local tick = tick_of(now, interval)
    local elapsed = tick - tick_of(taken_at, interval)
    local credit = cost
    if elapsed >= cost / refill then
      credit = 0
    elseif elapsed > 0 then
      credit = cost - elapsed * refill
    end
    local debt = read(KEYS[i], tick, capacity, refill, interval)
    if debt > credit then
      if credit > 0 then write(KEYS[i], tick, debt - credit, refill, interval) end
    elseif debt > 0 then
      redis.call('DEL', KEYS[i])
    end
  end
end
