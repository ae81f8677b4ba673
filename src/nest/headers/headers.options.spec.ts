import { describeValue, RateLimitConfigurationError } from '../../core/errors.js';
import { type HeadersOptions, resolveHeadersOptions } from './headers.options.js';

const WHERE = 'RateLimitModule.forRoot headers';
const resolve = (options: unknown) => resolveHeadersOptions(options as HeadersOptions | undefined, WHERE);

const DEFAULTS = {
  standard: 'draft-11',
  partitionKey: false,
  legacy: { reset: 'epoch', policy: false },
  retryAfter: true,
  retryJitterSeconds: 0,
  writtenBy: 'interceptor',
};

describe('resolveHeadersOptions', () => {
  it.each([
    ['nothing', undefined, {}],
    ['an empty object', {}, {}],
    ['options that are undefined', { standard: undefined, legacy: undefined, writtenBy: undefined }, {}],
    ['the older name of the same wire form', { standard: 'draft-8' }, {}],
    ['no partition key', { partitionKey: false }, {}],
    ['a secret', { partitionKey: { secret: 'sixteen letters!' } }, { partitionKey: { secret: 'sixteen letters!' } }],
    ['seconds to spread clients over', { retryJitterSeconds: 3600 }, { retryJitterSeconds: 3600 }],
    ['legacy: true', { legacy: true }, {}],
    ['a part of legacy', { legacy: { policy: true } }, { legacy: { reset: 'epoch', policy: true } }],
    ['the other part of legacy', { legacy: { reset: 'delta' } }, { legacy: { reset: 'delta', policy: false } }],
    [
      'everything off',
      { standard: false, legacy: false, retryAfter: false, writtenBy: 'guard' },
      { standard: false, legacy: false, retryAfter: false, writtenBy: 'guard' },
    ],
  ])('fills in defaults: %s', (_case, options, expected) => {
    expect(resolve(options)).toEqual({ ...DEFAULTS, ...expected });
  });

  it.each([
    [{ standard: 'draft-7' }, 'standard is "draft-7". Remedy: use one of "draft-11", "draft-8", false.'],
    [{ standard: true }, 'standard is true'],
    [
      { standart: false },
      'unknown option "standart". Remedy: the options are standard, legacy, retryAfter, retryJitterSeconds, writtenBy, partitionKey.',
    ],
    [{ legacy: 'delta' }, 'legacy is "delta". Remedy: use true, false or { reset, policy }.'],
    [{ legacy: null }, '.legacy: the options are null'],
    [{ legacy: { reset: 'seconds' } }, '.legacy: reset is "seconds". Remedy: use one of "epoch", "delta".'],
    [{ legacy: { policy: 1 } }, '.legacy: policy is 1'],
    [{ legacy: { rest: 'delta' } }, '.legacy: unknown option "rest"'],
    [
      { partitionKey: true },
      'partitionKey is true. Remedy: pass the secret that subjects are hashed with: { secret }.',
    ],
    [{ partitionKey: {} }, '.partitionKey: secret is undefined. Remedy: pass a random text of at least 16 characters'],
    [{ partitionKey: { secret: 'a short secret' } }, '.partitionKey: secret is a text of 14 characters'],
    [{ partitionKey: { key: 'sixteen letters!' } }, '.partitionKey: unknown option "key"'],
    [{ partitionKey: null }, '.partitionKey: the options are null'],
    [
      { partitionKey: { secret: 'sixteen letters!' }, standard: false },
      'partitionKey stands beside standard: false, and no other field has it. Remedy: remove one of them.',
    ],
    [{ retryAfter: 0 }, 'retryAfter is 0'],
    ...[-1, 0.5, 3601, NaN, '5', null, true].map((seconds): [object, string] => [
      { retryJitterSeconds: seconds },
      `retryJitterSeconds is ${describeValue(seconds)}; expected an integer from 0 to 3600. Remedy: write half the seconds`,
    ]),
    [{ writtenBy: 'filter' }, 'writtenBy is "filter". Remedy: use one of "interceptor", "guard".'],
    [false, 'the options are false'],
    [[], 'the options are []'],
  ])('rejects %j', (options, message) => {
    expect(() => resolve(options)).toThrow(RateLimitConfigurationError);
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).toThrow(WHERE);
  });
});
