import { BadRequestException, type ExecutionContext } from '@nestjs/common';
import { MissingSubjectError, RateLimitConfigurationError } from '../../core/errors.js';
import { everyone } from './everyone.js';
import { firstOf } from './first-of.js';
import { header } from './header.js';
import { ip } from './ip.js';
import { type HttpRequest, resolveSubject, type Subject, type SubjectResolver } from './subject.js';
import { user } from './user.js';

const context = {} as ExecutionContext;
const withKey: HttpRequest = { headers: { 'x-api-key': 'k1' }, ip: '203.0.113.7' };
const withoutKey: HttpRequest = { headers: {}, ip: '203.0.113.7' };
const bare: HttpRequest = { headers: {} };
const resolve = (request: HttpRequest, ...subjects: Subject[]) =>
  resolveSubject(firstOf(...subjects), context, request, 'PLACE');

const later = (value: string | undefined) => () => Promise.resolve(value);
const missing = (): Error => new Error('no team');
const team: SubjectResolver = { phase: 'guard', description: 'team()', usesAddress: false, resolve: () => '', missing };

describe('firstOf', () => {
  it('takes the first subject that the request shows', () => {
    expect(resolve(withKey, header('x-api-key'), ip())).toBe('header:x-api-key:k1');
    expect(resolve(withoutKey, header('x-api-key'), ip())).toBe('ip:203.0.113.7');
    expect(resolve(withoutKey, team, () => null, everyone())).toBe('everyone');
  });

  it('goes on where an answer comes later', async () => {
    await expect(resolve(bare, later('a'), later('b'))).resolves.toBe('custom:a');
    await expect(resolve(bare, team, later(undefined), team, later('b'))).resolves.toBe('custom:b');
    await expect(resolve(withoutKey, later(undefined), ip())).resolves.toBe('ip:203.0.113.7');
  });

  it('does not ask further than it needs', () => {
    const asked = jest.fn(() => 'x');
    expect(resolve(withKey, header('x-api-key'), asked)).toBe('header:x-api-key:k1');
    expect(asked).not.toHaveBeenCalled();
  });

  it('lets the last one say what is missing', async () => {
    expect(() => resolve(bare, ip(), header('x-api-key'))).toThrow(BadRequestException);
    expect(() => resolve(bare, header('x-api-key'), ip())).toThrow('PLACE: ip() found no client address');
    expect(() => resolve({ ...bare, ip: 'unknown' }, header('x-api-key'), ip())).toThrow(BadRequestException);
    expect(() => resolve(bare, header('x-api-key'), () => undefined)).toThrow(MissingSubjectError);
    await expect(resolve(bare, later(undefined), team)).rejects.toThrow('no team');
  });

  it('does not pass over a request that cannot be right', () => {
    const twice: HttpRequest = { headers: { 'x-api-key': ['k1', 'k2'] }, ip: '203.0.113.7' };
    expect(() => resolve(twice, header('x-api-key'), ip())).toThrow(BadRequestException);
  });

  it('is known when the latest of them is, and depends on the address if one of them does', () => {
    expect(firstOf(header('x-api-key'), ip())).toMatchObject({
      phase: 'guard',
      description: 'firstOf(header("x-api-key"), ip())',
      usesAddress: true,
    });
    expect(firstOf(header('x-api-key'), user())).toMatchObject({ phase: 'interceptor', usesAddress: true });
    expect(firstOf(header('x-api-key'), everyone()).usesAddress).toBe(false);
    expect(firstOf(header('x-api-key'), firstOf(user({ anonymous: everyone() }))).phase).toBe('interceptor');
  });

  it('wants at least one, and only subjects', () => {
    expect(() => firstOf()).toThrow(RateLimitConfigurationError);
    expect(() => firstOf()).toThrow('firstOf(): no subject is given');
    expect(() => firstOf(ip(), 'ip' as unknown as Subject)).toThrow('firstOf() subject 2: the subject is "ip"');
  });
});
