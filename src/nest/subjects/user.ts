import { describeValue, misconfigured, MissingSubjectError } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { ip } from './ip.js';
import { markFactory } from './subject-factories.js';
import {
  handlerName,
  type HttpRequest,
  kindOf,
  missingSubject,
  type Subject,
  type SubjectResolver,
  textOfId,
  toSubjectResolver,
} from './subject.js';

/** How the authenticated user becomes a subject. */
export interface UserOptions<User> {
  /** What identifies the user. Default: `user.id`, else `user.sub`, else the user itself if it is a string or number. */
  readonly id?: (user: User) => string | number | bigint | undefined;
  /** Who is limited when nobody is authenticated. Default: `ip()`. */
  readonly anonymous?: Subject;
}

/**
 * Limits the authenticated user, `request.user` as guards and middleware leave it, and the client's address when there
 * is none. Charged after all guards, so put a limit by `ip()` beside it where authentication itself is to be protected.
 *
 * @throws RateLimitConfigurationError for options that mean nothing.
 */
export function user<User = unknown>(options: UserOptions<User> = {}): SubjectResolver {
  checkOptions(options, ['id', 'anonymous'], 'user()');
  const { id = defaultId } = options;
  if (typeof id !== 'function') {
    misconfigured(
      'user()',
      `id is ${describeValue(id)}`,
      'pass a function of the user: user({ id: (user) => user.email })',
    );
  }
  const anonymous = toSubjectResolver(options.anonymous ?? ip(), 'user() anonymous');
  return {
    phase: 'interceptor',
    description: 'user()',
    usesAddress: anonymous.usesAddress,
    resolve(context, request) {
      const authenticated = authenticatedOf(request);
      if (isNobody(authenticated)) return anonymous.resolve(context, request);
      const found: unknown = id(authenticated as User);
      const text = textOfId(found);
      if (text !== undefined) return `user:${text}`;
      throw new MissingSubjectError(
        `user() at ${handlerName(context)}: request.user is ${kindOf(authenticated)} and its id is ${kindOf(found)}; ` +
          'expected a non-empty string or a number. Remedy: say what identifies a user: user({ id: (user) => user.email }).',
      );
    },
    missing: (place, request) => missingSubject(anonymous, place, request),
  };
}
markFactory(user, 'user()');

/** Guards leave the user on the platform's request; middleware of Fastify is shown Node's, which that one wraps. */
function authenticatedOf({ user, raw }: HttpRequest): unknown {
  return user ?? (typeof raw === 'object' && raw !== null && 'user' in raw ? raw.user : undefined);
}

/** What authentication leaves behind when it let a stranger pass. */
function isNobody(authenticated: unknown): boolean {
  return authenticated === undefined || authenticated === null || authenticated === false || authenticated === '';
}

function defaultId(authenticated: unknown): string | number | bigint | undefined {
  if (typeof authenticated !== 'object' || authenticated === null) return textOfId(authenticated);
  const { id, sub } = authenticated as { readonly id?: unknown; readonly sub?: unknown };
  // What no id can be made of is handed on, so that the message can say what it was.
  return textOfId(id) ?? textOfId(sub) ?? (id as undefined);
}
