-- Proves that this server and this user can do what the other scripts do: it fails where they would.
--
-- KEYS   one key that belongs to no bucket
-- ARGV   none
-- reply  none

cjson.decode('[1]')
redis.call('TIME')
redis.call('GET', KEYS[1])
-- PXAT came with Redis 6.2. An instant in the past leaves nothing behind.
redis.call('SET', KEYS[1], '0', 'PXAT', '1')
-- What logs need beside that.
redis.call('SETRANGE', KEYS[1], '0', struct.pack('>I7', 0))
redis.call('GETRANGE', KEYS[1], '0', '0')
redis.call('STRLEN', KEYS[1])
redis.call('PEXPIREAT', KEYS[1], '1')
redis.call('DEL', KEYS[1])
