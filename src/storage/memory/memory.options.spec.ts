import { RateLimitConfigurationError } from '../../core/errors.js';
import { MemoryStorage } from './memory.storage.js';

const make = (options: unknown) => () => new MemoryStorage(options as object);

it.each([undefined, {}, { maxKeys: 1 }, { maxKeys: 2 ** 23 }, { maxKeys: undefined, clock: undefined }])(
  'takes %j',
  (options) => {
    expect(make(options)).not.toThrow();
  },
);

it.each([0, -1, 1.5, NaN, Infinity, 2 ** 23 + 1, '1000', null])('refuses maxKeys %p', (maxKeys) => {
  const shown = typeof maxKeys === 'string' ? `"${maxKeys}"` : String(maxKeys);
  expect(make({ maxKeys })).toThrow(RateLimitConfigurationError);
  expect(make({ maxKeys })).toThrow(
    `new MemoryStorage: maxKeys is ${shown}; expected an integer from 1 to 8388608. Remedy: write the number of buckets`,
  );
});

it('refuses options that it does not know, whatever they are', () => {
  expect(make({ maxkeys: 5 })).toThrow(
    'new MemoryStorage: unknown option "maxkeys". Remedy: the options are maxKeys, clock.',
  );
  expect(make(null)).toThrow('new MemoryStorage: the options are null');
  expect(make(1000)).toThrow('new MemoryStorage: the options are 1000');
});

it.each([null, 5, {}, { nowMicros: () => 0 }, { unixMicros: () => 0 }])('refuses clock %p', (clock) => {
  expect(make({ clock })).toThrow(
    /new MemoryStorage: clock is .*; expected an object with nowMicros\(\) and unixMicros\(\)/,
  );
});
