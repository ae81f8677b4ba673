import { describeValue, misconfigured } from '../../core/errors.js';
import { markFactory } from './subject-factories.js';
import { functionSubject, type SubjectFunction, type SubjectResolver } from './subject.js';

/**
 * Limits whoever a function of yours names, asked after all guards: use it where the answer needs `request.user` or
 * anything else that authentication leaves behind.
 *
 * @throws RateLimitConfigurationError when it is not given a function.
 */
export function afterAuthentication(subjectFunction: SubjectFunction): SubjectResolver {
  const described = describeValue(subjectFunction);
  if (typeof subjectFunction !== 'function') {
    misconfigured(
      'afterAuthentication()',
      `expected a function, got ${described}`,
      'pass a function of the execution context',
    );
  }
  return functionSubject(subjectFunction, 'interceptor', `afterAuthentication(${described})`, 'afterAuthentication()');
}
markFactory(afterAuthentication, 'afterAuthentication((context) => …)');
