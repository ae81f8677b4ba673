import type { ExecutionContext } from '@nestjs/common';
import { MissingSubjectError, RateLimitConfigurationError } from '../../core/errors.js';
import { afterAuthentication } from './after-authentication.js';
import { everyone } from './everyone.js';
import { firstOf } from './first-of.js';
import { ip } from './ip.js';
import {
  type HttpRequest,
  resolveSubject,
  type Subject,
  type SubjectFunction,
  type SubjectResolver,
  toSubjectResolver,
} from './subject.js';
import { user } from './user.js';

class ReportsController {
  readonly path = 'reports';
}
const list = (): void => {};
const context = {
  getClass: () => ReportsController,
  getHandler: () => list,
} as unknown as ExecutionContext;
const request: HttpRequest = { headers: {}, ip: '203.0.113.7' };
const PLACE = '@RateLimit on ReportsController.list';

const resolve = (subject: Subject) => resolveSubject(toSubjectResolver(subject), context, request, PLACE);
const returning = (value: unknown): SubjectFunction => {
  return function tenantOf() {
    return value as string;
  };
};

it.each(['handler', undefined, null])('a resolver of the phase %p would limit nobody, and is refused', (phase) => {
  const resolver = { phase, description: 'mine', usesAddress: false, resolve: () => 'team:7' } as never;
  expect(() => toSubjectResolver(resolver, `${PLACE} by`)).toThrow(RateLimitConfigurationError);
  expect(() => toSubjectResolver(resolver, `${PLACE} by`)).toThrow(`${PLACE} by: the phase of the subject is`);
});

describe('a function as subject', () => {
  it('is asked before authentication, with the execution context', () => {
    const asked: unknown[] = [];
    const resolver = toSubjectResolver((given) => {
      asked.push(given);
      return 'acme';
    });
    expect(resolver.phase).toBe('guard');
    expect(resolver.usesAddress).toBe(false);
    expect(resolver.resolve(context, request)).toBe('custom:acme');
    expect(asked).toEqual([context]);
  });

  it.each([
    ['acme', 'custom:acme'],
    [42, 'custom:42'],
    [0, 'custom:0'],
    [-1.5, 'custom:-1.5'],
    [2n ** 64n, 'custom:18446744073709551616'],
    ['ip:203.0.113.7', 'custom:ip:203.0.113.7'],
    ['everyone', 'custom:everyone'],
  ])('may give %p, at once or later', async (value, subject) => {
    expect(resolve(returning(value))).toBe(subject);
    await expect(resolve(returning(Promise.resolve(value)))).resolves.toBe(subject);
  });

  it('may give a promise of another library', async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- queries that run when awaited are such objects
    const query = { then: (done: (value: string) => void) => done('acme') };
    await expect(resolve(returning(query))).resolves.toBe('custom:acme');
  });

  it.each([undefined, null, ''])('names nobody by %p', async (value) => {
    const message =
      `${PLACE}: function tenantOf found nobody to limit in this request, and strangers never share a bucket. ` +
      'Remedy: make it name somebody for every request, or put a fallback behind it: firstOf(…, ip()).';
    expect(() => resolve(returning(value))).toThrow(new MissingSubjectError(message));
    await expect(resolve(returning(Promise.resolve(value)))).rejects.toThrow(new MissingSubjectError(message));
  });

  class Tenant {
    readonly secret = 'hidden';
  }

  it.each([
    [{ id: 1, secret: 'hidden' }, 'a plain object', 'return what identifies the client'],
    [new Tenant(), 'an instance of Tenant', 'return what identifies the client'],
    [['acme'], 'an instance of Array', 'return what identifies the client'],
    [Object.create(null), 'a plain object', 'return what identifies the client'],
    [() => 'acme', 'a function', 'return what identifies the client'],
    ...[NaN, Infinity, true, false, Symbol('x')].map((value): [unknown, string, string] => [
      value,
      String(value),
      'return what identifies the client',
    ]),
    [ip(), 'a plain object', 'call it where the limit is declared, as in { by: ip() }'],
  ])('must not give what identifies nobody: case %#', async (value: unknown, kind, remedy) => {
    const message = `function tenantOf at ReportsController.list gave ${kind}; expected a string or a number. Remedy: ${remedy}`;
    expect(() => resolve(returning(value))).toThrow(MissingSubjectError);
    expect(() => resolve(returning(value))).toThrow(message);
    expect(() => resolve(returning(value))).not.toThrow('hidden');
    await expect(resolve(returning(Promise.resolve(value)))).rejects.toThrow(message);
  });

  it('may throw what it likes', async () => {
    const refusal = new Error('no tenant');
    const throwing: SubjectFunction = () => {
      throw refusal;
    };
    expect(() => resolve(throwing)).toThrow(refusal);
    await expect(resolve(() => Promise.reject(refusal))).rejects.toBe(refusal);
  });
});

describe('afterAuthentication', () => {
  it('asks the same function later', () => {
    const resolver = afterAuthentication(returning('acme'));
    expect(resolver.phase).toBe('interceptor');
    expect(resolver.usesAddress).toBe(false);
    expect(resolver.description).toBe('afterAuthentication(function tenantOf)');
    expect(resolveSubject(resolver, context, request, PLACE)).toBe('custom:acme');
  });

  it('wants a function', () => {
    const wrong = (): SubjectResolver => afterAuthentication(ip() as unknown as SubjectFunction);
    expect(wrong).toThrow(RateLimitConfigurationError);
    expect(wrong).toThrow('afterAuthentication(): expected a function');
  });
});

describe('toSubjectResolver', () => {
  it('takes resolvers as they are, also those of the application', () => {
    const mine: SubjectResolver = { phase: 'guard', description: 'mine', usesAddress: false, resolve: () => 'team:7' };
    expect(toSubjectResolver(mine)).toBe(mine);
    expect(resolve(mine)).toBe('team:7');
  });

  it.each([undefined, null, 'user', 42, {}, { resolve: 'x' }])('rejects %p', (value) => {
    const reject = (): SubjectResolver => toSubjectResolver(value as unknown as Subject, 'forRoot by');
    expect(reject).toThrow(RateLimitConfigurationError);
    expect(reject).toThrow('forRoot by: the subject is');
    expect(reject).toThrow('Remedy: use ip(), user(), header(name), everyone(), firstOf(…) or a function');
  });

  it.each<[string, () => SubjectResolver]>([
    ['user() anonymous', () => user({ anonymous: ip as unknown as Subject })],
    ['firstOf() subject 2', () => firstOf(ip(), ip as unknown as Subject)],
    ['afterAuthentication()', () => afterAuthentication(ip as unknown as SubjectFunction)],
  ])('rejects a function that makes subjects wherever one is named: %s', (where, reject) => {
    expect(reject).toThrow(RateLimitConfigurationError);
    expect(reject).toThrow(`${where}: the subject is function ip, which makes one. Remedy: call it: write ip().`);
  });
});

describe('resolveSubject', () => {
  const mine = (found: unknown, missing?: () => Error): SubjectResolver => ({
    phase: 'guard',
    description: 'mine',
    usesAddress: false,
    resolve: () => found as string,
    ...(missing === undefined ? {} : { missing }),
  });

  it.each([undefined, null, '', 42, {}])('never passes %p on as a subject', async (found) => {
    expect(() => resolve(mine(found))).toThrow(MissingSubjectError);
    await expect(resolve(mine(Promise.resolve(found)))).rejects.toThrow(MissingSubjectError);
  });

  it('lets the resolver say what is wrong', async () => {
    const error = new Error('no team');
    expect(() => resolve(mine(undefined, () => error))).toThrow(error);
    await expect(resolve(mine(Promise.resolve(undefined), () => error))).rejects.toBe(error);
  });
});

describe('everyone', () => {
  it('is one subject for all', () => {
    expect(resolve(everyone())).toBe('everyone');
    expect(everyone()).toMatchObject({ phase: 'guard', description: 'everyone()', usesAddress: false });
  });
});
