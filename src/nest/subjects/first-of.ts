import type { ExecutionContext } from '@nestjs/common';
import { misconfigured } from '../../core/errors.js';
import type { MaybePromise } from '../../core/storage.js';
import { markFactory } from './subject-factories.js';
import {
  type HttpRequest,
  isPromiseLike,
  missingSubject,
  type Subject,
  type SubjectResolver,
  toSubjectResolver,
} from './subject.js';

/**
 * Limits the first of several subjects that the request shows: `firstOf(header('x-api-key'), ip())`. If nobody is found,
 * the last one says what is wrong. Known after authentication if one of them is.
 *
 * @throws RateLimitConfigurationError without subjects.
 */
export function firstOf(...subjects: readonly Subject[]): SubjectResolver {
  const resolvers = subjects.map((subject, i) => toSubjectResolver(subject, `firstOf() subject ${i + 1}`));
  const last = resolvers.at(-1);
  if (last === undefined) {
    return misconfigured(
      'firstOf()',
      'no subject is given',
      "name at least one, as in firstOf(header('x-api-key'), ip())",
    );
  }
  return {
    phase: resolvers.some(({ phase }) => phase === 'interceptor') ? 'interceptor' : 'guard',
    description: `firstOf(${resolvers.map(({ description }) => description).join(', ')})`,
    usesAddress: resolvers.some(({ usesAddress }) => usesAddress),
    resolve: (context, request) => firstFrom(0, resolvers, context, request),
    missing: (place, request) => missingSubject(last, place, request),
  };
}
markFactory(firstOf, "firstOf(header('x-api-key'), ip())");

function firstFrom(
  start: number,
  resolvers: readonly SubjectResolver[],
  context: ExecutionContext,
  request: HttpRequest,
): MaybePromise<string | undefined> {
  for (let i = start; i < resolvers.length; i++) {
    const found = resolvers[i]!.resolve(context, request);
    if (isPromiseLike(found)) {
      return Promise.resolve(found).then((late) =>
        isSomebody(late) ? late : firstFrom(i + 1, resolvers, context, request),
      );
    }
    if (isSomebody(found)) return found;
  }
  return undefined;
}

function isSomebody(found: string | undefined): found is string {
  return found !== undefined && found !== '';
}
