import { dirname } from 'node:path';

/** A list of options that the code checks, with the file that checks it, and those of it that somebody gave. */
export interface CheckedList {
  readonly file: string;
  readonly known: readonly string[];
  readonly given: Set<string>;
}

const lists = new Map<string, CheckedList>();

/** Options that carry this are of the test itself, and count for nothing. */
export const OURS = Symbol('not of a block');

/** All that was checked since {@link forgetLists}. */
export const checkedLists = (): readonly CheckedList[] => [...lists.values()];

export const forgetLists = (): void => lists.clear();

/** Takes down one check: to be called in the place of the check of `src/core/options.ts`, and before it. */
export function recordCheck(options: unknown, known: readonly string[]): void {
  const frames = framesOfStack().filter(({ file }) => file !== 'core/options.ts');
  const file = frames[0]?.file ?? 'unknown';
  const key = `${file}: ${known.join(', ')}`;
  const list = lists.get(key) ?? { file, known, given: new Set() };
  lists.set(key, list);
  if (typeof options !== 'object' || options === null || OURS in options) return;
  if (isOfPackage(frames)) return;
  for (const [name, value] of Object.entries(options)) if (value !== undefined) list.given.add(name);
}

/**
 * Whether the package itself passes the options: what the module makes of a limit is no example of `new Policy`, and what
 * `schedule` passes on is none of `wait`. What is checked in `nest/` was always written by somebody.
 */
function isOfPackage([checks, ...callers]: readonly Frame[]): boolean {
  if (checks === undefined || checks.file.startsWith('nest/')) return false;
  return callers.some(
    ({ file, method }) => dirname(file) !== dirname(checks.file) || method === 'PolicyLimiter.schedule',
  );
}

interface Frame {
  readonly file: string;
  /** With its class, as in `PolicyLimiter.schedule`. */
  readonly method: string;
}

/** What is being run of `src/`, innermost first. */
function framesOfStack(): readonly Frame[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 50;
  const lines = (new Error().stack ?? '').split('\n');
  Error.stackTraceLimit = limit;
  return lines.flatMap((line) => {
    const [, method = '', file] = /^\s*at (?:async )?(?:(.*?) \()?.*\/src\/([\w./-]+\.ts)/.exec(line) ?? [];
    return file === undefined ? [] : [{ file, method }];
  });
}
