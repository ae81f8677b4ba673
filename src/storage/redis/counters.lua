-- How the two counters of a sliding window are read and written. Stands behind state.lua, as the other parts of a bucket's
-- state do.
--
-- The state is "s:p:c:w": the start of a window of w microseconds, what was taken in the window before it, and in it, less
-- what was granted: less than nothing where that was more, but together with p always more than nothing.
--
-- The same rules stand in core/algorithms/sliding-window-counter.ts; test/contract/equivalence.spec.ts holds them together.

-- Made where a script meets counters, and not in every call.
local function make_counters()
  -- 2^51: units that two windows together never pass twice over, so that all sums are exact.
  local MOST_UNITS = 2251799813685248

  local counters = {}

  -- In the millisecond after the instant from which nothing counts, never before.
  local function expiry(micros)
    return string.format('%.0f', (micros - micros % 1000) / 1000 + 1)
  end

  local function keep_counters(window)
    local full = window.start + window.length
    if window.current > 0 then
      full = full + window.length
    elseif window.current < 0 then
      local drained = math.ceil((window.previous + window.current) * window.units / window.previous)
      full = window.start + drained * (window.length / window.units)
    end
    local state = string.format('%.0f:%.0f:%.0f:%.0f', window.start, window.previous, window.current, window.length)
    redis.call('SET', window.key, state, 'PXAT', expiry(full))
  end

  -- What counts of the counters in the window of length `length` that holds the present.
  local function pass_on(window, start, previous, current, length)
    local now_start = window.now - window.now % length
    if now_start <= start then return start, previous, current end
    if now_start - start == length then return now_start, math.max(0, current), 0 end
    return now_start, 0, 0
  end

  -- Where more was granted than is used by now, nothing is.
  local function count_used(window)
    local elapsed = math.max(0, math.floor((window.now - window.start) / (window.length / window.units)))
    window.used = window.previous * (window.units - elapsed) + window.current * window.units
    if window.used <= 0 then window.previous, window.current, window.used = 0, 0, 0 end
  end

  local function keep_or_delete(window)
    count_used(window)
    if window.used > 0 then keep_counters(window) else redis.call('DEL', window.key) end
  end

  function counters.read(window)
    local now, length = window.now, window.length
    local most = math.floor(MOST_UNITS / window.units)
    local state = redis.pcall('GET', window.key)
    window.start, window.previous, window.current = now - now % length, 0, 0
    if state then
      local s, p, c, w
      if type(state) == 'string' then s, p, c, w = string.match(state, '^(%d+):(%d+):(%-?%d+):(%d+)$') end
      if s then s, p, c, w = s + 0, p + 0, c + 0, w + 0 end
      if not s or p + c < 0 or w == 0 or w > LONGEST_AHEAD or s % w ~= 0 or s - now > LONGEST_AHEAD then
        window.current = window.capacity
        keep_counters(window)
      else
        s, p, c = pass_on(window, s, p, c, w)
        if w == length then
          window.start, window.previous, window.current = s, math.min(p, most), math.min(c, most)
        else
          -- The policy was changed. Whatever still counts counts as taken now: nothing of it is forgiven.
          window.current = math.min(p + c, most)
        end
        window.kept = w
      end
    end
    count_used(window)
    return window
  end

  function counters.add(window, tokens)
    window.current = math.min(window.current + tokens, math.floor(MOST_UNITS / window.units))
    keep_counters(window)
  end

  function counters.tell(window)
    -- A reply has no integers below 0.
    return window.start, window.previous, window.current < 0 and window.current + 2 * MOST_UNITS or window.current
  end

  function counters.take_out(window, tokens, taken_at)
    -- Where a charge of windows of another length stands is not known any more.
    if window.kept ~= window.length then return end
    local its_start = taken_at - taken_at % window.length
    if its_start == window.start then
      window.current = window.current - tokens
    elseif its_start == window.start - window.length then
      window.previous = math.max(0, window.previous - tokens)
    else
      return
    end
    keep_or_delete(window)
  end

  function counters.grant(window, tokens)
    if window.used == 0 then return end
    window.current = window.current - tokens
    keep_or_delete(window)
  end

  return counters
end
