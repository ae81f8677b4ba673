import { parseList } from 'structured-headers';

const FIELDS = [
  'RateLimit-Policy',
  'RateLimit',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-RateLimit-Policy',
  'Retry-After',
];

/** The fields of an answer that tell of limits, by name; those that are missing are not there. */
export function limitFields({ headers }: Response): Record<string, string> {
  const entries = FIELDS.map((name) => [name, headers.get(name)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}

/** RateLimit or RateLimit-Policy as a reader of structured fields sees it: the parameters of each policy by its name. */
export function members(
  response: Response,
  field: 'RateLimit' | 'RateLimit-Policy',
): Record<string, Record<string, unknown>> {
  const list = parseList(response.headers.get(field) ?? '');
  return Object.fromEntries(
    list.map(([name, parameters]) => {
      // A Token would be an object here, and an inner list an array.
      if (typeof name !== 'string') throw new Error(`${field}: ${JSON.stringify(name)} is no String.`);
      return [name, Object.fromEntries(parameters)];
    }),
  );
}

/** What is left of a policy; undefined where the answer does not tell. */
export function remaining(response: Response, policy = 'default'): number | undefined {
  const left = members(response, 'RateLimit')[policy]?.['r'];
  return typeof left === 'number' ? left : undefined;
}
