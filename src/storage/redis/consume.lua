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

local allowed = 1
local debts, ticks = {}, {}
for i = 1, #KEYS do
  local last = i * 4
  local capacity, interval = ARGV[last - 2] + 0, ARGV[last] + 0
  local tick = tick_of(now, interval)
  local debt = read(KEYS[i], tick, capacity, ARGV[last - 1] + 0, interval)
  if debt + ARGV[last - 3] > capacity then allowed = 0 end
  debts[i], ticks[i] = debt, tick
end

local reply = {allowed, now}
for i = 1, #KEYS do
  local debt = debts[i]
  if allowed == 1 then
    local last = i * 4
    debt = debt + ARGV[last - 3]
    write(KEYS[i], ticks[i], debt, ARGV[last - 1] + 0, ARGV[last] + 0)
  end
  reply[i + 2] = debt
end
return reply
