import { RateLimitConfigurationError } from './errors.js';
import { checkOptions } from './options.js';

const check = (options: unknown) => () => checkOptions(options, ['size', 'clock'], 'new Thing');

it.each([{}, { size: 1 }, { clock: undefined, size: 2 }])('takes %j', (options) => {
  expect(check(options)).not.toThrow();
});

it.each([
  [{ sizes: 1 }, 'new Thing: unknown option "sizes". Remedy: the options are size, clock.'],
  [{ size: 1, '': 2 }, 'new Thing: unknown option "". Remedy: the options are size, clock.'],
  [null, 'new Thing: the options are null. Remedy: pass an object with any of size, clock.'],
  ['size', 'new Thing: the options are "size". Remedy: pass an object'],
  [[1], 'new Thing: the options are [1]. Remedy: pass an object'],
])('refuses %j', (options, message) => {
  expect(check(options)).toThrow(RateLimitConfigurationError);
  expect(check(options)).toThrow(message);
});
