import { BadRequestException } from '@nestjs/common';
import { describeValue, misconfigured } from '../../core/errors.js';
import { markFactory } from './subject-factories.js';
import type { SubjectResolver } from './subject.js';

/** The characters of a header field name (RFC 9110, section 5.1). */
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Limits whoever sends a value in a request header, such as an API key. A request without it is refused with 400.
 *
 * A header that nobody verifies can be forged: a client that makes up a new value gets a new bucket. Use it for values
 * that something in front of the application checks, or beside a limit by `ip()`.
 *
 * @throws RateLimitConfigurationError when the name can be no header's.
 */
export function header(name: string): SubjectResolver {
  if (typeof name !== 'string' || !NAME.test(name)) {
    misconfigured(
      'header()',
      `the name is ${describeValue(name)}`,
      "pass the name of a header, as in header('x-api-key')",
    );
  }
  // Node gives names in lower case.
  const key = name.toLowerCase();
  const prefix = `header:${key}:`;
  return {
    phase: 'guard',
    description: `header(${JSON.stringify(name)})`,
    usesAddress: false,
    resolve(_context, { headers }) {
      const value = headers[key];
      if (Array.isArray(value))
        throw new BadRequestException(`Header "${name}" was sent more than once; send it once.`);
      // Objects have more names than their own: `constructor`, for one, is no header.
      return typeof value !== 'string' || value === '' ? undefined : prefix + value;
    },
    missing: () => new BadRequestException(`Header "${name}" is missing; requests are limited by it.`),
  };
}
markFactory(header, "header('x-api-key')");
