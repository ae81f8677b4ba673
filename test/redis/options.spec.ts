import { Redis } from 'ioredis';
import { RateLimitConfigurationError } from '../../src/core/errors.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';

const url = 'redis://redis.example:6379';

const logger = { warn: () => {} };

function messageOf(options: unknown): string {
  try {
    const storage = new RedisStorage(options as RedisStorageOptions);
    throw new Error(`accepted: ${JSON.stringify(storage)}`);
  } catch (error) {
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    return (error as Error).message;
  }
}

describe('the options of RedisStorage', () => {
  test.each<[what: string, options: unknown, expected: RegExp]>([
    ['nothing', undefined, /options are undefined/],
    ['no server', {}, /not said where Redis is.*pass one of url, options, client/],
    ['an unset variable as url', { url: undefined }, /url is undefined.*variable of the environment/],
    ['an empty url', { url: '' }, /url is ""/],
    ['a blank url', { url: '  ' }, /url is " {2}"/],
    ['no string as url', { url: 6379 }, /url is 6379/],
    ['a url without a scheme', { url: 'redis.example:6379' }, /expected redis:\/\/ or rediss:\/\/ and a host/],
    ['a url of another scheme', { url: 'http://redis.example' }, /expected redis:\/\//],
    ['a url without a host', { url: 'redis://' }, /and a host/],
    ['a url of a port alone', { url: 'redis://:6379' }, /url is "redis:\/\/:6379"/],
    ['a url of a port that is none', { url: 'redis://h:99999' }, /cannot be read.*port/],
    [
      'a url of a database by name',
      { url: 'redis://h/abc' },
      /url is "redis:\/\/h\/abc", whose path is no database.*the number of/,
    ],
    ['a url of half a database', { url: 'redis://h/1.5' }, /\/1.5", whose path/],
    ['a url of a database below 0', { url: 'redis://h/-1' }, /\/-1", whose path/],
    ['a url of a database in disguise', { url: 'redis://h/%32' }, /\/%32", whose path/],
    ['a url of two databases', { url: 'redis://h/1/2' }, /\/1\/2", whose path/],
    ['a url of a database beside the path', { url: 'redis://h?db=-2' }, /the database of url is -2/],
    ['options of a database that is none', { options: { host: 'h', db: NaN } }, /the database of options is NaN/],
    ['options of a database in words', { options: { host: 'h', db: 'abc' } }, /the database of options is NaN/],
    ['options of half a database', { options: { host: 'h', db: 1.5 } }, /the database of options is 1.5/],
    [
      'a client of a database below 0',
      { client: new Redis({ lazyConnect: true, db: -1 }) },
      /the database of client is -1/,
    ],
    ['options without a host', { options: {} }, /options names no server: host is undefined/],
    ['options with an unset host', { options: { host: undefined, port: 6379 } }, /host is undefined.*variable/],
    ['options that are none', { options: 'redis://h' }, /options is "redis:\/\/h"/],
    ['an undefined client', { client: undefined }, /client is undefined/],
    ['a client that is none', { client: new Map([['password', 'secret']]) }, /client is an object of Map/],
    ['two servers', { url, options: { host: 'h' } }, /url and options stand side by side/],
    ['an unknown option', { url, deadline: 50 }, /option "deadline".*deadlineMs/],
    ['a prefix with braces', { url, prefix: 'a{b}' }, /prefix is "a\{b\}".*without braces/],
    ['a prefix with white space', { url, prefix: 'a b' }, /prefix is "a b"/],
    ['a prefix with a line break', { url, prefix: 'a\n' }, /prefix is "a\\n"/],
    ['a long prefix', { url, prefix: 'a'.repeat(65) }, /at most 64/],
    ['a prefix that is no text', { url, prefix: 7 }, /prefix is 7/],
    ['a short deadline', { url, deadlineMs: 4 }, /deadlineMs is 4; expected an integer from 5 to 10000/],
    ['a long deadline', { url, deadlineMs: 10_001 }, /deadlineMs is 10001/],
    ['a fractional deadline', { url, deadlineMs: 50.5 }, /deadlineMs is 50.5/],
    ['a deadline in text', { url, deadlineMs: '50' }, /deadlineMs is "50"/],
    ['a logger that cannot warn', { url, logger: {} }, /logger is \{\}/],
    ['the connection of no client', { url, reuseConnection: true }, /reuseConnection is true.*only beside client/],
  ])('%s is refused', (_, options, expected) => {
    expect(messageOf(options)).toMatch(expected);
    expect(messageOf(options)).toMatch(/^new RedisStorage: .* Remedy: .+\.$/s);
  });

  test.each([
    'user:s3cret@redis.example:6379',
    'http://user:s3cret@redis.example',
    'redis://user:s3cret@:6379',
    'redis://user:s3c/ret@redis.example:6379',
    'redis://user:s3cret@redis.example:99999',
    'redis://user:s3cret@redis.example/main',
    'redis://user/s3cret@redis.example',
  ])('%s is refused without telling the password', (secretUrl) => {
    expect(messageOf({ url: secretUrl })).not.toContain('s3c');
  });

  test.each<[what: string, options: RedisStorageOptions]>([
    ['a url', { url }],
    ['a url with TLS, credentials and a database', { url: 'rediss://user:pass@redis.example:6380/2' }],
    ['an IPv6 url', { url: 'redis://[::1]:6379' }],
    ['a Unix socket', { url: '/run/redis/redis.sock' }],
    ['options', { options: { host: 'redis.example', port: 6380 } }],
    ['sentinels', { options: { sentinels: [{ host: 'sentinel.example', port: 26379 }], name: 'main' } }],
    ['a client', { client: new Redis({ lazyConnect: true }) }],
    ['a client to be used itself', { client: new Redis({ lazyConnect: true }), reuseConnection: true, logger }],
    ['everything else', { url, prefix: '', deadlineMs: 10_000, logger }],
  ])('%s is taken, and nothing is connected', (_, options) => {
    const connect = jest.spyOn(Redis.prototype, 'connect');
    expect(new RedisStorage(options)).toBeInstanceOf(RedisStorage);
    expect(connect).not.toHaveBeenCalled();
    connect.mockRestore();
  });

  test('a client that is used itself is warned of, once per dangerous setting', () => {
    const linesOf = (settings: object) => {
      const lines: string[] = [];
      const client = new Redis({ lazyConnect: true, ...settings });
      const storage = new RedisStorage({ client, reuseConnection: true, logger: { warn: (line) => lines.push(line) } });
      return storage instanceof RedisStorage && lines;
    };
    expect(linesOf({})).toEqual([
      expect.stringMatching(/enableOfflineQueue: .*charged when it is back\. Set it to false, or leave out reuse/),
      expect.stringMatching(/autoResendUnfulfilledCommands: .*charged twice\. Set it to false/),
      expect.stringMatching(/no socketTimeout: .*after minutes\. Set it to 5000, with ioredis 6, or leave out reuse/),
    ]);
    const slow = { reuseConnection: true as const, deadlineMs: 10_000, client: new Redis({ lazyConnect: true }) };
    const ofSlow: string[] = [];
    expect(new RedisStorage({ ...slow, logger: { warn: (line) => ofSlow.push(line) } })).toBeInstanceOf(RedisStorage);
    expect(ofSlow.at(-1)).toMatch(/no socketTimeout: .*Set it to 20000, /);
    const [offline, resending] = [{ enableOfflineQueue: false }, { autoResendUnfulfilledCommands: false }];
    expect(linesOf(offline)).toHaveLength(2);
    expect(linesOf({ ...offline, ...resending })).toHaveLength(1);
    const safe = { ...offline, ...resending, socketTimeout: 3000 };
    expect(linesOf(safe)).toEqual([]);
    expect(linesOf({ ...safe, retryStrategy: () => 10, commandTimeout: 50 })).toEqual([]);
    expect(linesOf({ ...safe, commandTimeout: 49 })).toEqual([
      expect.stringMatching(
        /commandTimeout of 49 ms: .*sooner than deadlineMs, 50, allows\. Leave it out, or leave out/,
      ),
    ]);
    expect(linesOf({ ...safe, retryStrategy: null })).toEqual([
      expect.stringMatching(/retryStrategy: .*never made again\. Give it a function, or leave out reuse/),
    ]);
  });
});
