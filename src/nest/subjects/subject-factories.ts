import { describeValue, misconfigured } from '../../core/errors.js';

/** On functions that make subjects. A text: two copies of the package in one process still understand each other. */
const CALL = Symbol.for('nestjs-token-bucket:subject-factory');

/** Marks a function that makes subjects, which is easily taken for one. @param call how it is written when it is called */
export function markFactory(factory: object, call: string): void {
  Object.defineProperty(factory, CALL, { value: call });
}

/** @throws RateLimitConfigurationError where the call was forgotten: it would make a subject of each request and limit nobody */
export function rejectFactory(subject: object, where: string): void {
  const call = (subject as Partial<Record<symbol, unknown>>)[CALL];
  if (typeof call !== 'string') return;
  misconfigured(where, `the subject is ${describeValue(subject)}, which makes one`, `call it: write ${call}`);
}
