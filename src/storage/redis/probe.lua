-- Proves that this server and this user can do what the other scripts do: it fails where they would.
--
-- KEYS   one key that belongs to no bucket
-- ARGV   none
-- reply  none

redis.call('TIME')
redis.call('GET', KEYS[1])
-- PXAT came with Redis 6.2. An instant in the past leaves nothing behind.
redis.call('SET', KEYS[1], '0', 'PXAT', '1')
redis.call('DEL', KEYS[1])
