-- Proves that this server and this user can do what the other scripts do: it fails where they would.
--
-- KEYS   one key that belongs to no bucket
-- ARGV   none
-- reply  none

local number = cjson.decode('[4503599627370495]')[1]
-- PXAT came with Redis 6.2. Whatever fails here leaves nothing behind for longer than a second.
redis.call('SET', KEYS[1], number, 'PXAT', redis.call('TIME')[1] * 1000 + 1000)
if redis.call('GET', KEYS[1]) ~= '4503599627370495' then
  return redis.error_reply('ERR this server does not write numbers as they are')
end
-- What logs need beside that.
redis.call('SETRANGE', KEYS[1], '0', struct.pack('>I7', 0))
redis.call('GETRANGE', KEYS[1], '0', '0')
redis.call('STRLEN', KEYS[1])
redis.call('PEXPIREAT', KEYS[1], '1')
redis.call('DEL', KEYS[1])
