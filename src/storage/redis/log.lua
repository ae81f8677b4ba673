-- How a sliding window log is read and written. Stands behind state.lua, as the other parts of a bucket's state do.
--
-- A log is a string of pairs of integers of 7 bytes each, big-endian: the time of a charge in microseconds since 1970,
-- and the sum of the costs of all charges up to it. The oldest pair never counts: its sum is the one before all others.
-- So what is used is one difference, and the instant at which enough is free is found by halving. Of a charge that was
-- given back the pair stays at first, with nothing between its sum and the one before.
--
-- The same rules stand in core/algorithms/sliding-window-log.ts; test/contract/equivalence.spec.ts holds them together.

-- Made where a script meets a log, and not in every call.
local function make_log()
  local PAIR, PAIRS, BYTES = '>I7I7', '>I7I7I7I7', 14
  -- 2^40: more than anybody owes. 2^53: the largest exact sum.
  local MOST_USED, MOST_SUM = 1099511627776, 9007199254740992
  -- Bytes up to which a log is read as a whole; a longer one pair by pair, so that its length hardly matters.
  local READ_WHOLE = 16384
  -- Pairs among which a refund looks for those that were given back.
  local LOOKED_AT = 32

  local log = {}

  -- In the millisecond after the instant from which nothing counts, never before.
  local function expiry(micros)
    return string.format('%.0f', (micros - micros % 1000) / 1000 + 1)
  end

  local function offset(pair)
    return string.format('%.0f', (pair - 1) * BYTES)
  end

  local function bytes_of(window, from, to)
    if window.state then return string.sub(window.state, (from - 1) * BYTES + 1, to * BYTES) end
    return redis.call('GETRANGE', window.key, offset(from), string.format('%.0f', to * BYTES - 1))
  end

  local function time_and_sum(window, pair)
    local time, sum = struct.unpack(PAIR, bytes_of(window, pair, pair))
    return time, sum
  end

  -- The least pair from `from` on whose time (1) or sum (2) is at least so much, as of all that follow; count + 1: none.
  local function search(window, from, part, least)
    local low, high = from, window.count + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      local value = select(part, time_and_sum(window, middle))
      if value >= least then high = middle else low = middle + 1 end
    end
    return low
  end

  local function begin_log(window, tokens)
    window.state = struct.pack(PAIRS, 0, 0, window.now, tokens)
    redis.call('SET', window.key, window.state, 'PXAT', expiry(window.now + window.length))
    window.count, window.first, window.before, window.used = 2, 2, 0, tokens
    window.last, window.full = window.now, window.now + window.length
  end

  -- Whether it can be what stands in a log; looked at are its length and its outermost pairs.
  local function read_pairs(window, size)
    if size < 2 * BYTES or size % BYTES ~= 0 then return false end
    window.count = size / BYTES
    local base_time, base = time_and_sum(window, 1)
    local first_time, first_sum = time_and_sum(window, 2)
    local last, sum = time_and_sum(window, window.count)
    if base_time >= first_time or first_time > last or last - window.now > LONGEST_AHEAD then return false end
    if base > first_sum or first_sum > sum or sum > MOST_SUM then return false end
    local oldest = window.now - window.length + 1
    window.first, window.before = 2, base
    if first_time < oldest then
      window.first = search(window, 3, 1, oldest)
      window.before = select(2, time_and_sum(window, window.first - 1))
    end
    window.used, window.last = sum - window.before, last
    return window.used >= 0
  end

  function log.read(window)
    local size = redis.pcall('STRLEN', window.key)
    if type(size) ~= 'number' then
      size = 0
    elseif size <= READ_WHOLE then
      window.state = redis.call('GET', window.key)
      if not window.state then
        window.used = 0
        return window
      end
    end
    if not read_pairs(window, size) then begin_log(window, window.capacity) end
    return window
  end

  -- Begins anew with the pairs up to `last` that still count, and the one before them.
  local function keep_pairs(window, last, full)
    local kept = bytes_of(window, window.first - 1, last)
    redis.call('SET', window.key, kept, 'PXAT', expiry(full))
    window.state, window.first, window.count = kept, 2, #kept / BYTES
  end

  function log.add(window, tokens)
    local counted = math.min(tokens, MOST_USED - window.used)
    if counted <= 0 then return end
    if window.used == 0 then return begin_log(window, counted) end
    -- A clock that was set back must not bring the order into disorder.
    local time = math.max(window.last, window.now)
    local full, last = time + window.length, window.count
    if time == window.last then last = last - 1 end
    -- Half of the pairs at a time, so that a pair is moved about once in its life.
    if window.first - 2 > window.count - window.first + 1 then
      keep_pairs(window, last, full)
      last = window.count
    end
    redis.call('SETRANGE', window.key, offset(last + 1), struct.pack(PAIR, time, window.before + window.used + counted))
    redis.call('PEXPIREAT', window.key, expiry(full))
    window.used, window.last, window.full = window.used + counted, time, full
  end

  -- The instant at which so many tokens have left the window; 0 for none, and for more than there are.
  local function free_at(window, tokens)
    if tokens <= 0 or tokens > window.used then return 0 end
    -- What was added just now may not be among the pairs that were read.
    if window.first > window.count then return window.full end
    -- Most often it is the first pair, or the last.
    local first, sum_of_first = time_and_sum(window, window.first)
    if sum_of_first >= window.before + tokens then return first + window.length end
    if tokens == window.used and not window.full then
      local _, sum_before_last = time_and_sum(window, window.count - 1)
      if sum_before_last < window.before + tokens then return window.last + window.length end
    end
    local at = search(window, window.first + 1, 2, window.before + tokens)
    if at > window.count then return window.full end
    return time_and_sum(window, at) + window.length
  end

  function log.tell(window, cost)
    if window.used == 0 then return 0, 0, 0 end
    return free_at(window, window.used + cost - window.capacity),
      free_at(window, math.max(1, window.used - window.capacity + 1)),
      window.full or free_at(window, window.used)
  end

  local function each_pair(pairs_text, change)
    return (string.gsub(pairs_text, string.rep('.', BYTES), function(pair)
      local time, sum = struct.unpack(PAIR, pair)
      return change(time, sum)
    end))
  end

  -- Drops the pairs around one that were given back, once they are half of so many: one refund looks at no more, a log is
  -- copied once in many refunds, and no part of it is ever much more than half empty.
  local function drop_empty(window, around, full)
    local from = math.max(window.first, math.min(around - LOOKED_AT / 2, window.count - LOOKED_AT + 1))
    local to = math.min(window.count, from + LOOKED_AT - 1)
    local _, before = time_and_sum(window, from - 1)
    local kept = each_pair(bytes_of(window, from, to), function(_, sum)
      if sum == before then return '' end
      before = sum
    end)
    if to - from + 1 - #kept / BYTES < LOOKED_AT / 2 then return end
    local state = struct.pack(
      'c0c0c0', bytes_of(window, window.first - 1, from - 1), kept, bytes_of(window, to + 1, window.count)
    )
    redis.call('SET', window.key, state, 'PXAT', expiry(full))
  end

  function log.take_out(window, tokens, taken_at)
    if window.used == 0 then return end
    local at = search(window, window.first, 1, taken_at)
    if at > window.count then return end
    local time, sum = time_and_sum(window, at)
    local _, before = time_and_sum(window, at - 1)
    local taken = math.min(tokens, sum - before)
    if time ~= taken_at or taken == 0 then return end
    if taken == window.used then
      redis.call('DEL', window.key)
      return
    end
    local last = search(window, window.first, 2, window.before + window.used)
    if last == at and taken == sum - before then last = search(window, window.first, 2, before) end
    local full = time_and_sum(window, last) + window.length
    -- Only differences of sums count: it is one whether all from it on are less, or all before are more.
    local from, to, more = at, window.count, -taken
    if at - 1 < to - at then from, to, more = 1, at - 1, taken end
    local changed = each_pair(bytes_of(window, from, to), function(its_time, its_sum)
      return struct.pack(PAIR, its_time, its_sum + more)
    end)
    redis.call('SETRANGE', window.key, offset(from), changed)
    redis.call('PEXPIREAT', window.key, expiry(full))
    -- What was read is no longer what is there.
    window.state = nil
    drop_empty(window, at, full)
  end

  function log.grant(window, tokens)
    if window.used == 0 then return end
    if tokens >= window.used then
      redis.call('DEL', window.key)
      return
    end
    local full = free_at(window, window.used)
    local sum = window.before + tokens
    -- The first of which something is left. The pair before it is now the one that never counts.
    local at = search(window, window.first, 2, sum + 1)
    local time = time_and_sum(window, at - 1)
    local kept = struct.pack('c0c0', struct.pack(PAIR, time, sum), bytes_of(window, at, window.count))
    redis.call('SET', window.key, kept, 'PXAT', expiry(full))
  end

  return log
end
