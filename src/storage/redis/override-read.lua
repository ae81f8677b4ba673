-- Says what of the overrides was changed after a version: the next entries, oldest first. Those that have been over for
-- longer than the grace are forgotten, and not told of.
--
-- KEYS   1 the entries: a hash, whose values are the instant at which each is over in microseconds since 1970 (0: never),
--        a colon, and the text that is kept, empty where the entry has been removed
--        2 their versions: a sorted set, whose scores are integers that grow with every change
--        both in one hash slot
-- ARGV   an opening parenthesis and the version; how many entries at most; the grace in microseconds
-- reply  all text: {now in microseconds since 1970, the latest version of all, the version of the last entry that was
--        looked at (of none: the latest); for each entry: its key, its instant, its text}
--
-- A value that no write can have left is told of as it stands, without an end: whoever reads it knows what to do.

local function text_of(integer) return string.format('%.0f', integer) end

local last = redis.call('ZREVRANGE', KEYS[2], '0', '0', 'WITHSCORES')
local latest = tonumber(last[2] or '0')
local changed = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', '0', ARGV[2])
local version = tonumber(changed[#changed] or latest)
local reply = {text_of(now), text_of(latest), text_of(version)}
for i = 1, #changed, 2 do
  local key = changed[i]
  local value = redis.call('HGET', KEYS[1], key) or '0:'
  local instant, text = string.match(value, '^(%d+):(.*)$')
  if not instant then instant, text = '0', value end
  if instant ~= '0' and instant + ARGV[3] <= now then
    redis.call('HDEL', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
  else
    local at = #reply
    reply[at + 1], reply[at + 2], reply[at + 3] = key, instant, text
  end
end
return reply
