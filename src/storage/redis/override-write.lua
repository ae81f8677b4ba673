-- Keeps an override in the place of an earlier one of its key, or removes it.
--
-- KEYS   the entries and their versions, as in override-read.lua
-- ARGV   the key of the entry; its text, empty to remove it; microseconds until it is over, 0: never; the most entries
-- reply  1 done, 0 there was none to remove, -1 there are so many

local function text_of(integer) return string.format('%.0f', integer) end

local key, text, lifetime = ARGV[1], ARGV[2], ARGV[3] + 0
local before = redis.call('HGET', KEYS[1], key)
local instant = 0
if text == '' then
  if not before then return 0 end
  local over = string.match(before, '^(%d+):')
  if over and over ~= '0' and over + 0 <= now then return 0 end
  instant = now
else
  if not before and redis.call('HLEN', KEYS[1]) >= ARGV[4] + 0 then return -1 end
  if lifetime > 0 then instant = now + lifetime end
end
local last = redis.call('ZREVRANGE', KEYS[2], '0', '0', 'WITHSCORES')
local version = math.max(now, (last[2] or 0) + 1)
redis.call('HSET', KEYS[1], key, string.format('%.0f:%s', instant, text))
redis.call('ZADD', KEYS[2], text_of(version), key)
return 1
