-- How a bucket with a sliding window is read. Stands behind state.lua, log.lua and counters.lua, and before each of the
-- other scripts; has no KEYS, ARGV or reply of its own.
--
-- No key: nothing was taken. Every key expires in the millisecond after the instant from which nothing of it counts. A
-- state that no charge can have left counts as a window of which all is taken now, and is replaced by that at once, as in
-- state.lua; of a log its length and its outermost pairs are looked at.
--
-- A window that was read is a table: its `used` is in units, as debt is everywhere, `kind` has what can be done to it, and
-- the rest is what its kind needs: key, now, units (of a token), length (in microseconds), capacity (in tokens), state.

local log, counters

local function read_window(key, capacity, units, length)
  local kind
  if units == 1 then
    log = log or make_log()
    kind = log
  else
    counters = counters or make_counters()
    kind = counters
  end
  return kind.read({key = key, now = now, kind = kind, capacity = capacity / units, units = units, length = length})
end
