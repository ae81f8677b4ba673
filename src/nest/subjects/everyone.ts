import { markFactory } from './subject-factories.js';
import type { SubjectResolver } from './subject.js';

const EVERYONE: SubjectResolver = {
  phase: 'guard',
  description: 'everyone()',
  usesAddress: false,
  resolve: () => 'everyone',
};

/** One bucket for all clients together: a limit of the service itself, which any client can use up for the others. */
export function everyone(): SubjectResolver {
  return EVERYONE;
}
markFactory(everyone, 'everyone()');
