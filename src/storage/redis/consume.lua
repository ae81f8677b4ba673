-- Decides about a batch of requests, one after the other and all at one instant: each takes the tokens of all its
-- charges, or of none. Equal requests that came one after the other are one group: as many of them are admitted as fit.
--
-- KEYS   the buckets of each group in turn, one per charge; within a group none twice, all in one hash slot
-- ARGV   one list of integers in JSON (each by itself would cost client and server several times as much):
--        the number of plans (what is asked of the buckets of a group); for each plan
--          the number of its charges, and four integers per charge:
--            cost in units of debt, more than 0
--            capacity in units of debt
--            units that drain per microsecond (the R of the policy)
--            interval in microseconds at whose multiples tokens arrive; 0: evenly; less than 0: a sliding window of so many
--              microseconds, and before it stand the units of a token: 1 of a log, more of counters
--        then for each group the number of its plan, from 1, and how many requests it stands for
-- reply  {now in microseconds since 1970; for each group: how many of its requests were admitted, then the debt of each
--        bucket in units as it stood before them, then three integers for each sliding window as it stands after them: of
--        a log when one more request of the group would be admitted (0: now or never), when there is one token more and
--        when it is full, in microseconds since 1970; of counters the start of the window, what was taken in the one before
--        and what in this one, 2^52 more where more was granted in it}; a refused request changes no state

local min, max, floor = math.min, math.max, math.floor

local input = cjson.decode(ARGV[1])
local plans, at = {}, 2
for p = 1, input[1] do
  local plan = {}
  for i = 1, input[at] do
    local interval = input[at + 4]
    -- With the instant at which tokens last arrived.
    plan[i] = {
      cost = input[at + 1],
      capacity = input[at + 2],
      refill = input[at + 3],
      interval = interval,
      tick = tick_of(now, interval),
    }
    at = at + 4
  end
  plans[p] = plan
  at = at + 1
end

local reply, told, key = {now}, 1, 0
-- Of one group, where it has any.
local windows
for group = at, #input, 2 do
  local plan, fitting = plans[input[group]], input[group + 1]
  local charges = #plan
  for i = 1, charges do
    local charge = plan[i]
    local debt
    if charge.interval < 0 then
      windows = windows or {}
      windows[i] = read_window(KEYS[key + i], charge.capacity, charge.refill, -charge.interval)
      debt = windows[i].used
    else
      debt = read(KEYS[key + i], charge.tick, charge.capacity, charge.refill, charge.interval)
    end
    -- Both sides are integers of at most 2^52, so that the quotient is never rounded up to the next one.
    fitting = min(fitting, floor((charge.capacity - debt) / charge.cost))
    reply[told + 1 + i] = debt
  end
  fitting = max(fitting, 0)
  reply[told + 1] = fitting
  if fitting > 0 then
    for i = 1, charges do
      local charge = plan[i]
      if charge.interval < 0 then
        windows[i].kind.add(windows[i], fitting * charge.cost / charge.refill)
      else
        local debt = reply[told + 1 + i] + fitting * charge.cost
        write(KEYS[key + i], charge.tick, debt, charge.refill, charge.interval)
      end
    end
  end
  key, told = key + charges, told + 1 + charges
  if windows then
    for i = 1, charges do
      local window = windows[i]
      if window then
        reply[told + 1], reply[told + 2], reply[told + 3] = window.kind.tell(window, plan[i].cost / window.units)
        told = told + 3
      end
    end
    windows = nil
  end
end
return reply
