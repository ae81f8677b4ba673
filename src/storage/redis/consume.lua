-- Takes the tokens of all charges, or of none.
--
-- KEYS   one bucket per charge, none twice, all in one hash slot
-- ARGV   four integers per charge, in the order of KEYS:
--          cost in units of debt, more than 0
--          capacity in units of debt
--          units that drain per microsecond (the R of the policy)
--          interval in microseconds at whose multiples tokens arrive; 0: evenly
-- reply  {1 taken or 0 refused, now in microseconds since 1970, debt of each bucket in units}
--        the debts stand after the charges if they were taken, else before; a refusal changes no state

local reply = {1, now}
for i = 1, #KEYS do
  local last = i * 4
  local capacity, interval = ARGV[last - 2] + 0, ARGV[last] + 0
  local debt = read(KEYS[i], tick_of(now, interval), capacity, ARGV[last - 1] + 0, interval)
  if debt + ARGV[last - 3] > capacity then reply[1] = 0 end
  reply[i + 2] = debt
end
if reply[1] == 0 then return reply end

for i = 1, #KEYS do
  local last = i * 4
  local debt, interval = reply[i + 2] + ARGV[last - 3], ARGV[last] + 0
  write(KEYS[i], tick_of(now, interval), debt, ARGV[last - 1] + 0, interval)
  reply[i + 2] = debt
end
return reply
