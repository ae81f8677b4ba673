import { RateLimitConfigurationError } from '../../core/errors.js';
import { resolveObservingOptions, type WrittenObservingOptions } from './observing.options.js';

const WHERE = 'RateLimitModule.forRoot';
const resolve = (options: unknown) => resolveObservingOptions(options as WrittenObservingOptions, WHERE);

describe('resolveObservingOptions', () => {
  it.each([
    [{}, { hooks: {}, denialSeconds: 60, logPolicies: false }],
    [{ logDenials: true }, { denialSeconds: 60 }],
    [{ logDenials: {} }, { denialSeconds: 60 }],
    [{ logDenials: { intervalSeconds: undefined } }, { denialSeconds: 60 }],
    [{ logDenials: { intervalSeconds: 86_400 } }, { denialSeconds: 86_400 }],
    [{ logDenials: false }, { denialSeconds: undefined }],
    [{ logPolicies: true }, { logPolicies: true }],
    [{ hooks: { onDenied: undefined } }, { hooks: {} }],
  ])('fills in defaults: %j', (options, expected) => {
    expect(resolve(options)).toMatchObject(expected);
  });

  it.each([
    [{ hooks: { onDeny: () => {} } }, `${WHERE} hooks: unknown option "onDeny". Remedy: the options are onAllowed,`],
    [{ hooks: { onDenied: 'log' } }, `${WHERE} hooks: onDenied is "log". Remedy: write a function: onDenied: (event)`],
    [{ hooks: { onAllowed: null } }, `${WHERE} hooks: onAllowed is null.`],
    [{ hooks: null }, `${WHERE} hooks: the options are null.`],
    [{ hooks: () => {} }, `${WHERE} hooks: the options are function hooks.`],
    [{ logDenials: 60 }, `${WHERE}: logDenials is 60. Remedy: use true, false or { intervalSeconds }.`],
    [{ logDenials: null }, `${WHERE} logDenials: the options are null.`],
    [{ logDenials: { interval: 60 } }, `${WHERE} logDenials: unknown option "interval".`],
    [{ logDenials: { intervalSeconds: 0 } }, 'intervalSeconds is 0; expected an integer from 1 to 86400. Remedy: '],
    [{ logDenials: { intervalSeconds: 1.5 } }, 'intervalSeconds is 1.5'],
    [{ logDenials: { intervalSeconds: 86_401 } }, 'intervalSeconds is 86401'],
    [{ logDenials: { intervalSeconds: '60' } }, 'intervalSeconds is "60"'],
    [{ logPolicies: 'yes' }, `${WHERE}: logPolicies is "yes". Remedy: use true or false.`],
  ])('rejects %j', (options, message) => {
    expect(() => resolve(options)).toThrow(RateLimitConfigurationError);
    expect(() => resolve(options)).toThrow(message);
  });
});
