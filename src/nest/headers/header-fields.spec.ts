import { parseList, Token } from 'structured-headers';
import { Decision, PolicyDecision } from '../../core/decision.js';
import { Policy } from '../../core/policy.js';
import type { HeaderFields } from './fields.js';
import { headerFields, RATE_LIMIT_HEADERS } from './header-fields.js';
import { type HeadersOptions, resolveHeadersOptions } from './headers.options.js';

const NOW_MICROS = 1_800_000_000_000_000;
const tenPerMinute = new Policy({ capacity: 10, perSeconds: 60 });
const burst = new Policy({ name: 'burst', capacity: 5, perSeconds: 1 });
const hourly = new Policy({ name: 'hourly', capacity: 1000, perSeconds: 3600 });
const search = new Policy({ name: 'search', capacity: 100, perSeconds: 60 });

/** A bucket that holds so many tokens, possibly a fraction: after the charge if that was taken, else as it stands. */
function holding(
  tokens: number,
  policy: Policy,
  { cost = 1, fits = true, nowMicros = NOW_MICROS } = {},
): PolicyDecision {
  const debtUnits = Math.round((policy.capacity - tokens) * policy.refillMicros);
  const reply = { allowed: fits, nowMicros, debtUnits: [debtUnits] };
  return new PolicyDecision({ policy, subject: 'ip:203.0.113.7', cost }, fits, reply, 0);
}

const allowed = (...policies: PolicyDecision[]): Decision => new Decision(true, policies, []);
const denied = (...policies: PolicyDecision[]): Decision => new Decision(false, policies, []);

const same = (nowMicros: number): number => nowMicros;
const sinceBoot = (nowMicros: number): number => nowMicros + NOW_MICROS;

function fieldsOf(decision: Decision, options: HeadersOptions = {}, unixMicros = same): HeaderFields {
  return headerFields(decision, resolveHeadersOptions(options, 'test'), unixMicros);
}

/** Of a refusal that is to be asked again so much later than need be. */
function laterHeadersOf(
  decision: Decision,
  laterSeconds: number,
  options: HeadersOptions = {},
): Record<string, string> {
  return Object.fromEntries(headerFields(decision, resolveHeadersOptions(options, 'test'), same, laterSeconds));
}

function headersOf(decision: Decision, options?: HeadersOptions, unixMicros = same): Record<string, string> {
  const fields = fieldsOf(decision, options, unixMicros);
  const headers = Object.fromEntries(fields);
  expect(Object.keys(headers)).toHaveLength(fields.length);
  return headers;
}

/** Members of a structured-field list, after checking that each is a String with Integer parameters. */
function members(value: string | undefined): Record<string, Record<string, unknown>> {
  const list = parseList(value ?? '').map(([name, parameters]) => {
    expect(name).not.toBeInstanceOf(Token);
    expect(typeof name).toBe('string');
    for (const number of parameters.values()) expect(Number.isInteger(number)).toBe(true);
    return [name as string, Object.fromEntries(parameters)] as const;
  });
  expect(value).not.toMatch(/=[^;,]*\./);
  expect(new Set(list.map(([name]) => name.toLowerCase())).size).toBe(list.length);
  return Object.fromEntries(list);
}

describe('a leaky bucket', () => {
  const leaky = new Policy({ name: 'calls', capacity: 90, perSeconds: 60, algorithm: 'leaky-bucket' });

  it('is told in the numbers that were written, and what is left in those of the bucket', () => {
    expect(headersOf(allowed(holding(0, leaky)), { legacy: { policy: true } })).toMatchObject({
      'RateLimit-Policy': '"calls";q=90;w=60',
      RateLimit: '"calls";r=0;t=1',
      'X-RateLimit-Limit': '90',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Policy': '90;w=60;name="calls"',
    });
  });
});

describe('RateLimit and RateLimit-Policy', () => {
  it.each([
    ['the first request', allowed(holding(9, tenPerMinute)), '"default";r=9;t=54'],
    ['a bucket in use', allowed(holding(3.4, tenPerMinute)), '"default";r=3;t=21'],
    ['the last token spent', allowed(holding(0, tenPerMinute)), '"default";r=0;t=6'],
    ['a refusal', denied(holding(0.25, tenPerMinute, { fits: false })), '"default";r=0;t=5'],
    ['a refused cost of 5', denied(holding(3, tenPerMinute, { cost: 5, fits: false })), '"default";r=3;t=12'],
  ])('tells of one policy: %s', (_case, decision, rateLimit) => {
    const headers = headersOf(decision);
    expect(headers['RateLimit']).toBe(rateLimit);
    expect(headers['RateLimit-Policy']).toBe('"default";q=10;w=60');
    expect(members(headers['RateLimit-Policy'])).toEqual({ default: { q: 10, w: 60 } });
    expect(Object.keys(members(rateLimit)['default']!)).toEqual(['r', 't']);
  });

  it('tells of a cost above one', () => {
    const headers = headersOf(allowed(holding(95, search, { cost: 5 })));
    expect(headers['RateLimit-Policy']).toBe('"search";q=100;w=60');
    expect(headers['RateLimit']).toBe('"search";r=95;t=57');
    expect(members(headers['RateLimit-Policy'])).toEqual({ search: { q: 100, w: 60 } });
    expect(members(headers['RateLimit'])).toEqual({ search: { r: 95, t: 57 } });
  });

  it('lists all policies of an admitted request, in order', () => {
    const headers = headersOf(allowed(holding(4, burst), holding(640, hourly)));
    expect(headers['RateLimit-Policy']).toBe('"burst";q=5;w=1, "hourly";q=1000;w=3600');
    expect(headers['RateLimit']).toBe('"burst";r=4;t=1, "hourly";r=640;t=2304');
    expect(members(headers['RateLimit-Policy'])).toEqual({ burst: { q: 5, w: 1 }, hourly: { q: 1000, w: 3600 } });
    expect(members(headers['RateLimit'])).toEqual({ burst: { r: 4, t: 1 }, hourly: { r: 640, t: 2304 } });
  });

  it('lists only the policies that refused, so that no window is longer than Retry-After', () => {
    const headers = headersOf(denied(holding(0.2, burst, { fits: false }), holding(640, hourly)));
    expect(headers['RateLimit-Policy']).toBe('"burst";q=5;w=1, "hourly";q=1000;w=3600');
    expect(headers['RateLimit']).toBe('"burst";r=0;t=1');
    expect(members(headers['RateLimit-Policy'])).toEqual({ burst: { q: 5, w: 1 }, hourly: { q: 1000, w: 3600 } });
    expect(members(headers['RateLimit'])).toEqual({ burst: { r: 0, t: 1 } });
    expect(headers['Retry-After']).toBe('1');
  });

  it('gives each of several refusals its own wait', () => {
    const headers = headersOf(denied(holding(0.2, burst, { fits: false }), holding(0.5, hourly, { fits: false })));
    expect(headers['RateLimit']).toBe('"burst";r=0;t=1, "hourly";r=0;t=2');
    expect(members(headers['RateLimit'])).toEqual({ burst: { r: 0, t: 1 }, hourly: { r: 0, t: 2 } });
    expect(headers['Retry-After']).toBe('2');
  });

  it('names no window where no wait would help', () => {
    const headers = headersOf(denied(holding(7, tenPerMinute, { cost: 11, fits: false })));
    expect(headers['RateLimit']).toBe('"default";r=7');
  });

  it('sends no empty list and no wait of 0, should nobody own up to a refusal', () => {
    const headers = headersOf(denied(holding(7, tenPerMinute)));
    expect(headers).not.toHaveProperty('RateLimit');
    expect(headers['RateLimit-Policy']).toBe('"default";q=10;w=60');
    expect(headers['Retry-After']).toBe('1');
  });

  it.each([
    ['t is at least one second', allowed(holding(1, burst)), '"burst";r=1;t=1'],
    ['t is not rounded up when whole', allowed(holding(5, tenPerMinute)), '"default";r=5;t=30'],
    ['t is rounded up by one unit more', allowed(holding(5 + 1 / 6e6, tenPerMinute)), '"default";r=5;t=31'],
    ['r is rounded down by one unit less', allowed(holding(5 - 1 / 6e6, tenPerMinute)), '"default";r=4;t=30'],
    ['with r = 0, t is the wait for a whole token', allowed(holding(0.5, tenPerMinute)), '"default";r=0;t=3'],
    ['with r = 0, t is at least one second', allowed(holding(0.9, burst)), '"burst";r=0;t=1'],
  ])('rounds to the safe side: %s', (_case, decision, rateLimit) => {
    expect(headersOf(decision)['RateLimit']).toBe(rateLimit);
  });

  it('keeps within the Integers of structured fields', () => {
    const huge = new Policy({ capacity: 2_251_799_813_000_000, perSeconds: 1 });
    const headers = headersOf(allowed(holding(huge.capacity, huge)));
    expect(members(headers['RateLimit-Policy'])).toEqual({ default: { q: 999_999_999_999_999, w: 1 } });
    expect(members(headers['RateLimit'])).toEqual({ default: { r: 999_999_999_999_999, t: 1 } });
  });

  it('counts a refill that is stated on its own as the time from empty to full', () => {
    const policy = new Policy({ capacity: 10, refillTokens: 3, refillSeconds: 2 });
    expect(headersOf(allowed(holding(9, policy)))['RateLimit-Policy']).toBe('"default";q=10;w=7');
  });
});

describe('qu of RateLimit-Policy', () => {
  it('says what tokens stand for where it is not requests', () => {
    const upload = new Policy({ name: 'upload', capacity: 1_048_576, perSeconds: 60, quotaUnit: 'content-bytes' });
    const headers = headersOf(allowed(holding(1_000_000, upload)));
    expect(headers['RateLimit-Policy']).toBe('"upload";q=1048576;qu="content-bytes";w=60');
    expect(headers['RateLimit']).toBe('"upload";r=1000000;t=58');
    expect(members(headers['RateLimit'])).toEqual({ upload: { r: 1_000_000, t: 58 } });
    expect([...parseList(headers['RateLimit-Policy']!)[0]![1]]).toEqual([
      ['q', 1_048_576],
      ['qu', 'content-bytes'],
      ['w', 60],
    ]);
  });

  it('is left out of requests', () => {
    const stated = new Policy({ capacity: 10, perSeconds: 60, quotaUnit: 'requests' });
    expect(headersOf(allowed(holding(9, stated)))['RateLimit-Policy']).toBe('"default";q=10;w=60');
  });
});

describe('pk of RateLimit and RateLimit-Policy', () => {
  const perUser = new Policy({ name: 'peruser', capacity: 100, perSeconds: 60 });
  const of = (policy: Policy, subject: string, fits = true): PolicyDecision => {
    const debtUnits = fits ? 13 * policy.refillMicros : policy.capacityUnits;
    return new PolicyDecision(
      { policy, subject, cost: 1 },
      fits,
      { allowed: fits, nowMicros: 1, debtUnits: [debtUnits] },
      0,
    );
  };
  const headersWith = (secret: string, decision: Decision): Record<string, string> =>
    Object.fromEntries(
      headerFields(decision, { ...resolveHeadersOptions({}, 'test'), partitionKey: { secret } }, same),
    );
  const keysOf = (value: string | undefined): string[] =>
    parseList(value!).map(([, parameters]) => {
      const bytes = parameters.get('pk');
      expect(bytes).toBeInstanceOf(ArrayBuffer);
      return Buffer.from(bytes as ArrayBuffer).toString('hex');
    });

  it('is the beginning of an HMAC of name and subject, the same on both', () => {
    const headers = headersWith('example-secret', allowed(of(perUser, 'user:42')));
    expect(headers['RateLimit-Policy']).toBe('"peruser";q=100;w=60;pk=:dDD5ddxX6DHFjSBy:');
    expect(headers['RateLimit']).toBe('"peruser";r=87;t=53;pk=:dDD5ddxX6DHFjSBy:');
    expect(keysOf(headers['RateLimit'])).toEqual(['7430f975dc57e831c58d2072']);
    expect(keysOf(headers['RateLimit-Policy'])).toEqual(['7430f975dc57e831c58d2072']);
  });

  it('differs by secret, by policy and by subject, whatever the subject has in it', () => {
    const keys = [
      headersWith('example-secret', allowed(of(perUser, 'user:42'), of(search, 'user:42'))),
      headersWith('example-secret', allowed(of(perUser, 'user:43'), of(perUser, 'ip:203.0.113.7'))),
      headersWith('example-secret', allowed(of(perUser, 'user:\ud800'), of(perUser, 'user:\ud801'))),
      headersWith('example-secret', allowed(of(perUser, 'user:\ufffd'), of(perUser, 'user:\0"'))),
      headersWith('another secret', allowed(of(perUser, 'user:42'))),
    ].flatMap((headers) => keysOf(headers['RateLimit']));
    expect(new Set(keys).size).toBe(9);
  });

  it('stands on a refusal beside the policies that are told of', () => {
    const headers = headersWith('example-secret', denied(of(perUser, 'user:42', false), of(search, 'user:42')));
    expect(headers['RateLimit']).toBe('"peruser";r=0;t=1;pk=:dDD5ddxX6DHFjSBy:');
    expect(keysOf(headers['RateLimit-Policy'])).toHaveLength(2);
  });

  it('is left out unless asked for', () => {
    expect(Object.values(headersOf(allowed(of(perUser, 'user:42')))).join()).not.toContain('pk=');
  });
});

describe('X-RateLimit-*', () => {
  const atHalfSecond = { nowMicros: NOW_MICROS + 500_000 };

  it('tells of the policy with the least left of its capacity', () => {
    expect(headersOf(allowed(holding(4, burst), holding(640, hourly)), { standard: false })).toEqual({
      'X-RateLimit-Limit': '1000',
      'X-RateLimit-Remaining': '640',
      'X-RateLimit-Reset': '1800000004',
    });
  });

  it('tells of the refusal with the longest wait', () => {
    const refusal = denied(holding(0.2, burst, { fits: false }), holding(0.5, hourly, { fits: false }));
    expect(headersOf(refusal, { standard: false, retryAfter: false })).toEqual({
      'X-RateLimit-Limit': '1000',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': '1800000002',
      'Cache-Control': 'no-store',
    });
  });

  it.each([
    ['at a whole second', holding(9, tenPerMinute), '1800000006', '6'],
    ['at a fraction of a second', holding(9, tenPerMinute, atHalfSecond), '1800000007', '6'],
    ['when the token comes within the second', holding(9.95, tenPerMinute, atHalfSecond), '1800000001', '1'],
    ['when the bucket is full', holding(10, tenPerMinute), '1800000000', '0'],
    ['when it is full at a fraction of a second', holding(10, tenPerMinute, atHalfSecond), '1800000001', '0'],
  ])('says when the next token comes: %s', (_case, policyDecision, epoch, delta) => {
    const decision = allowed(policyDecision);
    expect(headersOf(decision)['X-RateLimit-Reset']).toBe(epoch);
    expect(headersOf(decision, { legacy: { reset: 'delta' } })['X-RateLimit-Reset']).toBe(delta);
  });

  it('reads Unix time from the storage that decided', () => {
    const bootClock = holding(9, tenPerMinute, { nowMicros: 5_000_000 });
    expect(headersOf(allowed(bootClock), {}, sinceBoot)['X-RateLimit-Reset']).toBe('1800000011');
  });

  it('has it from an answer that was found without the storage', () => {
    const charge = { policy: tenPerMinute, subject: 'ip:203.0.113.7', cost: 1 };
    const times = { nowMicros: 5_000_000, unixMicros: NOW_MICROS + 100_000_000 };
    const reply = { allowed: false, ...times, debtUnits: [tenPerMinute.capacityUnits] };
    const here = new PolicyDecision(charge, false, reply, 0);
    expect(headersOf(denied(here), {}, sinceBoot)['X-RateLimit-Reset']).toBe('1800000106');
    expect(headersOf(denied(here), { legacy: { reset: 'delta' } }, sinceBoot)['X-RateLimit-Reset']).toBe('6');
  });

  it('keeps to the grid of a fixed window', () => {
    const window = new Policy({ capacity: 10, perSeconds: 60, refillEverySeconds: 60 });
    const midWindow = holding(3, window, { nowMicros: NOW_MICROS + 45_250_000 });
    expect(headersOf(allowed(midWindow))['X-RateLimit-Reset']).toBe('1800000060');
    expect(headersOf(allowed(midWindow), { legacy: { reset: 'delta' } })['X-RateLimit-Reset']).toBe('15');
  });

  it('names the policy on request', () => {
    const headers = headersOf(allowed(holding(4, burst)), { legacy: { policy: true } });
    expect(headers['X-RateLimit-Policy']).toBe('5;w=1;name="burst"');
    expect(parseList(headers['X-RateLimit-Policy']!)[0]![1].get('name')).toBe('burst');
  });

  it('is left out on request', () => {
    expect(Object.keys(headersOf(allowed(holding(4, burst)), { legacy: false }))).toEqual([
      'RateLimit-Policy',
      'RateLimit',
    ]);
  });
});

describe('Retry-After and Cache-Control', () => {
  it.each([
    [0.25, 1, '5'],
    [0, 1, '6'],
    [3, 5, '12'],
    [1 - 1 / 6e6, 1, '1'],
    [4 - 1 / 6e6, 5, '7'],
  ])('rounds the wait up to whole seconds: %p tokens, cost %p', (tokens, cost, seconds) => {
    const headers = headersOf(denied(holding(tokens, tenPerMinute, { cost, fits: false })));
    expect(headers['Retry-After']).toBe(seconds);
    expect(headers['Cache-Control']).toBe('no-store');
  });

  it('names no wait where none would help', () => {
    const never = denied(holding(0, burst, { fits: false }), holding(9, tenPerMinute, { cost: 11, fits: false }));
    expect(headersOf(never)).not.toHaveProperty('Retry-After');
    expect(headersOf(never)['Cache-Control']).toBe('no-store');
  });

  it('is not sent with an admitted request', () => {
    const headers = headersOf(allowed(holding(0, tenPerMinute)));
    expect(headers).not.toHaveProperty('Retry-After');
    expect(headers).not.toHaveProperty('Cache-Control');
  });
});

describe('a wait that is longer than need be', () => {
  const refusal = denied(
    holding(0.2, burst, { fits: false }),
    holding(0.5, hourly, { fits: false }),
    holding(3, tenPerMinute),
  );

  it('is the same in all fields, each of which names its own instant', () => {
    for (const reset of ['epoch', 'delta'] as const) {
      const [told, later] = [
        headersOf(refusal, { legacy: { reset } }),
        laterHeadersOf(refusal, 7, { legacy: { reset } }),
      ];
      const plus7 = (name: string) => String(Number(told[name]) + 7);
      expect(later).toEqual({
        ...told,
        RateLimit: told['RateLimit']!.replace(/t=(\d+)/g, (_, seconds) => `t=${Number(seconds) + 7}`),
        'X-RateLimit-Reset': plus7('X-RateLimit-Reset'),
        'Retry-After': plus7('Retry-After'),
      });
    }
  });

  it('stays without an end where none would help', () => {
    const never = denied(holding(9, tenPerMinute, { cost: 11, fits: false }));
    expect(laterHeadersOf(never, 7)).toEqual(headersOf(never));
  });
});

describe('RATE_LIMIT_HEADERS', () => {
  it('names every field that scripts of another origin would not see', () => {
    const refusal = denied(holding(0, tenPerMinute, { fits: false }));
    const sent = fieldsOf(refusal, { legacy: { policy: true } }).map(([name]) => name);
    expect(new Set([...RATE_LIMIT_HEADERS, 'Cache-Control'])).toEqual(new Set(sent));
    expect(Object.isFrozen(RATE_LIMIT_HEADERS)).toBe(true);
  });
});
