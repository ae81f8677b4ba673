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
  const files = filesOfStack();
  const file = files.find((name) => name !== 'core/options.ts') ?? 'unknown';
  const key = `${file}: ${known.join(', ')}`;
  const list = lists.get(key) ?? { file, known, given: new Set() };
  lists.set(key, list);
  if (typeof options !== 'object' || options === null || OURS in options) return;
  // What the module makes of a limit is no example of making a policy.
  if (file === 'core/policy.ts' && files.some((name) => name.startsWith('nest/'))) return;
  for (const [name, value] of Object.entries(options)) if (value !== undefined) list.given.add(name);
}

/** The files of `src/` that are being run, innermost first. */
function filesOfStack(): readonly string[] {
  const lines = (new Error().stack ?? '').split('\n');
  return lines.flatMap((line) => /\/src\/([\w./-]+\.ts)/.exec(line)?.[1] ?? []);
}
