-- Takes a charge back as a whole, if its bucket has not been charged since: whoever came later may have been promised a
-- time that counts on it. A bucket that becomes full loses its key.
--
-- KEYS   the bucket, no sliding window
-- ARGV   four integers, as in consume.lua: cost, capacity, units that drain per microsecond, interval; then the arrival
--        time that the charge left: whole microseconds since 1970, and the units on top
-- reply  1 taken back, 0 not

local cost, capacity, refill, interval = ARGV[1] + 0, ARGV[2] + 0, ARGV[3] + 0, ARGV[4] + 0
local tick = tick_of(now, interval)
local debt = read(KEYS[1], tick, capacity, refill, interval)
if debt == 0 or debt ~= (ARGV[5] - tick) * refill + ARGV[6] then return 0 end
if debt > cost then
  write(KEYS[1], tick, debt - cost, refill, interval)
else
  redis.call('DEL', KEYS[1])
end
return 1
