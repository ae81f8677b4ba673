import { BadRequestException, type ExecutionContext } from '@nestjs/common';
import { MissingSubjectError, RateLimitConfigurationError } from '../../core/errors.js';
import { everyone } from './everyone.js';
import { header } from './header.js';
import { resolveSubject, type SubjectResolver } from './subject.js';
import { user, type UserOptions } from './user.js';

class ReportsController {
  readonly path = 'reports';
}
const list = (): void => {};
const context = {
  getClass: () => ReportsController,
  getHandler: () => list,
} as unknown as ExecutionContext;
const PLACE = '@RateLimit on ReportsController.list';
const subjectOf = (authenticated: unknown, resolver: SubjectResolver = user()) =>
  resolveSubject(resolver, context, { headers: {}, ip: '203.0.113.7', user: authenticated }, PLACE);

class Account {
  readonly password = 'hidden';
  constructor(readonly id: unknown) {}
}

describe('user', () => {
  it.each([
    [{ id: 42 }, 'user:42'],
    [{ id: 0 }, 'user:0'],
    [{ id: 'a-b', sub: 'c' }, 'user:a-b'],
    [{ id: 2n ** 64n }, 'user:18446744073709551616'],
    [{ sub: 'auth0|7' }, 'user:auth0|7'],
    [{ id: null, sub: 7 }, 'user:7'],
    [{ id: '', sub: 7 }, 'user:7'],
    [new Account('x'), 'user:x'],
    ['ada', 'user:ada'],
    [7, 'user:7'],
    [0, 'user:0'],
  ])('limits the authenticated user: case %#', (authenticated, subject) => {
    expect(subjectOf(authenticated)).toBe(subject);
  });

  it.each([undefined, null, false, ''])('limits the address where the user is %p', (nobody) => {
    expect(subjectOf(nobody)).toBe('ip:203.0.113.7');
  });

  it("finds the user that middleware left on Node's request, where the platform wraps it", () => {
    const ofPlatform = (user: unknown, raw: object) => ({ headers: {}, ip: '203.0.113.7', user, raw });
    const wrapped = ofPlatform(undefined, { user: { id: 42 } });
    expect(resolveSubject(user(), context, wrapped, PLACE)).toBe('user:42');
    const both = ofPlatform({ id: 7 }, { user: { id: 42 } });
    expect(resolveSubject(user(), context, both, PLACE)).toBe('user:7');
    expect(resolveSubject(user(), context, ofPlatform(undefined, {}), PLACE)).toBe('ip:203.0.113.7');
  });

  it('is known after authentication', () => {
    expect(user()).toMatchObject({ phase: 'interceptor', description: 'user()', usesAddress: true });
    expect(user({ anonymous: everyone() })).toMatchObject({ phase: 'interceptor', usesAddress: false });
  });

  it('takes what identifies a user from a function', () => {
    const byEmail = user({ id: (account: { readonly email: string }) => account.email });
    expect(subjectOf({ id: 1, email: 'ada@example.org' }, byEmail)).toBe('user:ada@example.org');
  });

  it('takes another subject for strangers, at once or later', async () => {
    expect(subjectOf(undefined, user({ anonymous: everyone() }))).toBe('everyone');
    expect(subjectOf(undefined, user({ anonymous: () => 'stranger' }))).toBe('custom:stranger');
    await expect(subjectOf(undefined, user({ anonymous: () => Promise.resolve(7) }))).resolves.toBe('custom:7');
  });

  it('lets the subject for strangers say what is missing', () => {
    expect(() => subjectOf(undefined, user({ anonymous: header('x-device') }))).toThrow('Header "x-device" is missing');
    expect(() => subjectOf(undefined, user({ anonymous: () => undefined }))).toThrow(MissingSubjectError);
  });

  it('refuses a stranger of no address as ip() does', () => {
    const from = (ip: string | undefined) => () => resolveSubject(user(), context, { headers: {}, ip }, PLACE);
    expect(from('unknown')).toThrow(BadRequestException);
    expect(from(undefined)).toThrow(MissingSubjectError);
  });

  it.each([
    [{}, 'request.user is a plain object and its id is undefined'],
    [{ id: '' }, 'request.user is a plain object and its id is an empty string'],
    [{ id: NaN }, 'request.user is a plain object and its id is NaN'],
    [new Account({ oid: 1 }), 'request.user is an instance of Account and its id is a plain object'],
    [true, 'request.user is true and its id is undefined'],
    [NaN, 'request.user is NaN and its id is undefined'],
  ])('refuses a user without an id: case %#', (authenticated, what) => {
    expect(() => subjectOf(authenticated)).toThrow(MissingSubjectError);
    expect(() => subjectOf(authenticated)).toThrow(`user() at ReportsController.list: ${what}`);
    expect(() => subjectOf(authenticated)).toThrow(
      'Remedy: say what identifies a user: user({ id: (user) => user.email })',
    );
    expect(() => subjectOf(authenticated)).not.toThrow('hidden');
  });

  it('refuses where the function names nobody, rather than take the address of somebody known', () => {
    expect(() => subjectOf({ id: 1 }, user({ id: () => undefined }))).toThrow(MissingSubjectError);
  });

  it.each([
    [{ id: 'email' }, 'user(): id is "email"'],
    [{ by: () => 1 }, 'user(): unknown option "by". Remedy: the options are id, anonymous.'],
    [{ anonymous: 'ip' }, 'user() anonymous: the subject is "ip"'],
    [42, 'user(): the options are 42'],
  ])('rejects the options %j', (options: unknown, message) => {
    expect(() => user(options as UserOptions<unknown>)).toThrow(RateLimitConfigurationError);
    expect(() => user(options as UserOptions<unknown>)).toThrow(message);
  });
});
