-- How a bucket is read and written. Stands before each of the other scripts; has no KEYS, ARGV or reply of its own.
--
-- A stored state is the instant at which the bucket is full (its arrival time): "q" in whole microseconds since 1970,
-- or "q:m:R" when m units of 1/R microsecond come on top (0 < m < R). No key: the bucket is full. Every key expires in
-- the millisecond after that instant, never before it; where tokens arrive in steps, after the step that fills it.
--
-- The same formulas stand in core/algorithms/token-bucket.ts; test/contract/equivalence.spec.ts holds them together.
-- All numbers are integers below 2^53. They become text by string.format('%.0f') only: Lua's own conversion keeps 14
-- digits, and Redis 7.2.0 to 7.2.4 write numbers that a command is given as 1.8e+15 (redis/redis#13113). A remainder is
-- taken with %, which is exact in that range, so no quotient is ever rounded.
--
-- A state that no charge can have left (another type, no number, farther ahead than any bucket takes to refill) counts as
-- an empty bucket and is replaced by one as soon as it is met, even by a refusal or a peek. So it gives nobody a token,
-- and its subject waits no longer than any other who has used up the bucket. Kept as it is, it would refuse until the
-- instant it names, or for ever; taken for absent, whoever spoils keys would be limited by nothing.
-- A state that is only too far ahead for this policy is kept: its limit was lowered, or is lower here than elsewhere.

-- 2^52: more than a bucket can owe to any policy, and exact below it. 2^51 microseconds (71 years): no bucket takes longer to refill.
local MAX_DEBT, LONGEST_AHEAD = 4503599627370496, 2251799813685248

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- The instant at which tokens last arrived: the moment itself, or the start of its interval where there is one.
local function tick_of(micros, interval)
  if interval <= 0 then return micros end
  return micros - micros % interval
end

-- Stores a debt of more than 0 units, as it stands at the tick.
local function write(key, tick, debt, refill, interval)
  local remainder = debt % refill
  local arrival = tick + (debt - remainder) / refill
  local full = arrival
  if interval > 0 then
    local step = refill * interval
    full = tick + math.ceil(debt / step) * interval
  elseif remainder > 0 then
    full = arrival + 1
  end
  local state
  if remainder == 0 then
    state = string.format('%.0f', arrival)
  else
    state = string.format('%.0f:%.0f:%.0f', arrival, remainder, refill)
  end
  redis.call('SET', key, state, 'PXAT', string.format('%.0f', (full - full % 1000) / 1000 + 1))
end

-- Debt in units at the tick; 0 is full. Above the capacity after the limit was lowered or the clock was set back.
local function read(key, tick, capacity, refill, interval)
  local state = redis.pcall('GET', key)
  if not state then return 0 end
  local arrival, remainder = tonumber(state), 0
  if not arrival and type(state) == 'string' then
    local q, m, r = string.match(state, '^(%d+):(%d+):(%d+)$')
    if q then
      arrival, remainder = q + 0, m + 0
      -- The refill of the policy has changed: the next whole microsecond holds for any.
      if r + 0 ~= refill then arrival, remainder = arrival + 1, 0 end
    end
  end
  -- NaN and infinity leave no remainder of 0.
  if arrival and arrival % 1 == 0 and arrival >= 0 and arrival - tick <= LONGEST_AHEAD then
    local ahead = arrival - tick
    if ahead < 0 then return 0 end
    return math.min(ahead * refill + remainder, MAX_DEBT)
  end
  write(key, tick, capacity, refill, interval)
  return capacity
end
