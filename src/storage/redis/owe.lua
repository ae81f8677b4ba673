-- Adds debt to buckets, whatever they hold: what was given out elsewhere while this server could not be asked, or what
-- requests turned out to cost beyond their charge.
--
-- KEYS   one bucket per debt, none twice, all in one hash slot
-- ARGV   five integers per debt, in the order of KEYS: units of debt, more than 0; capacity in units; units that drain
--        per microsecond; interval in microseconds at whose multiples tokens arrive, 0: evenly, less than 0: a sliding
--        window, as in consume.lua, in which whole tokens count as taken now; and the units that the bucket is not made to
--        owe more than. What it owes already is never lowered.
-- reply  none

for i = 1, #KEYS do
  local last = i * 5
  local owed, capacity, refill = ARGV[last - 4] + 0, ARGV[last - 3] + 0, ARGV[last - 2] + 0
  local interval, most = ARGV[last - 1] + 0, math.min(ARGV[last], MAX_DEBT)
  if interval < 0 then
    local window = read_window(KEYS[i], capacity, refill, -interval)
    local tokens = math.min(math.ceil(owed / refill), math.floor((most - window.used) / refill))
    if tokens > 0 then window.kind.add(window, tokens) end
  else
    local tick = tick_of(now, interval)
    local debt = read(KEYS[i], tick, capacity, refill, interval)
    write(KEYS[i], tick, math.max(debt, math.min(debt + owed, most)), refill, interval)
  end
end
