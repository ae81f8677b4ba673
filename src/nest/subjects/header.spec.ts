import { BadRequestException, type ExecutionContext } from '@nestjs/common';
import { RateLimitConfigurationError } from '../../core/errors.js';
import { header } from './header.js';
import { type HttpRequest, resolveSubject } from './subject.js';

const context = {} as ExecutionContext;
const subjectOf = (headers: HttpRequest['headers'], name = 'X-API-Key') =>
  resolveSubject(header(name), context, { headers }, '@RateLimit on ReportsController.list');

describe('header', () => {
  it('limits by its value, whatever the case of its name', () => {
    expect(subjectOf({ 'x-api-key': 'k1' })).toBe('header:x-api-key:k1');
    expect(subjectOf({ 'x-api-key': 'k1' }, 'x-api-key')).toBe('header:x-api-key:k1');
    expect(subjectOf({ 'x-api-key': 'K1' })).toBe('header:x-api-key:K1');
  });

  it('keeps two headers apart', () => {
    expect(subjectOf({ 'x-a': 'k' }, 'x-a')).not.toBe(subjectOf({ 'x-b': 'k' }, 'x-b'));
  });

  it.each([{}, { 'x-api-key': undefined }, { 'x-api-key': '' }])('answers 400 to %j', (headers) => {
    expect(() => subjectOf(headers)).toThrow(BadRequestException);
    expect(() => subjectOf(headers)).toThrow('Header "X-API-Key" is missing; requests are limited by it.');
  });

  it('answers 400 to several values', () => {
    expect(() => subjectOf({ 'x-api-key': ['k1', 'k2'] })).toThrow(BadRequestException);
    expect(() => subjectOf({ 'x-api-key': ['k1', 'k2'] })).toThrow(
      'Header "X-API-Key" was sent more than once; send it once.',
    );
  });

  it('is known before authentication', () => {
    expect(header('X-API-Key')).toMatchObject({
      phase: 'guard',
      description: 'header("X-API-Key")',
      usesAddress: false,
    });
  });

  it.each(['', ' ', 'x api key', 'x-api-key:', 'schlüssel', undefined, 42])('rejects %p as a name', (name) => {
    expect(() => header(name as string)).toThrow(RateLimitConfigurationError);
    expect(() => header(name as string)).toThrow('header(): the name is');
  });
});
