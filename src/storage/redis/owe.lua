-- Adds debt to buckets, whatever they hold: what was given out elsewhere while this server could not be asked.
--
-- KEYS   one bucket per debt, none twice, all in one hash slot
-- ARGV   four integers per debt, in the order of KEYS: units of debt, more than 0; capacity in units; units that drain
--        per microsecond; interval in microseconds at whose multiples tokens arrive, 0: evenly
-- reply  none

for i = 1, #KEYS do
  local last = i * 4
  local capacity, refill, interval = ARGV[last - 2] + 0, ARGV[last - 1] + 0, ARGV[last] + 0
  local tick = tick_of(now, interval)
  local debt = read(KEYS[i], tick, capacity, refill, interval) + ARGV[last - 3]
  write(KEYS[i], tick, math.min(debt, MAX_DEBT), refill, interval)
end
