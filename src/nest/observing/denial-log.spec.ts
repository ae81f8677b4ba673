import { AsyncLocalStorage } from 'node:async_hooks';
import { Decision, PolicyDecision } from '../../core/decision.js';
import { BlockedPolicyDecision } from '../../core/overrides/blocked-policy-decision.js';
import { Policy } from '../../core/policy.js';
import { DenialLog } from './denial-log.js';

const policy = new Policy({ name: 'default', capacity: 100, perSeconds: 60 });
const EMPTY = { allowed: false, nowMicros: 0, debtUnits: [policy.capacityUnits] };
const denied = (cost = 1): Decision =>
  new Decision(false, new PolicyDecision({ policy, subject: 'x', cost }, false, EMPTY, 0), []);
const LIST = 'ReportsController.list';

function makeLog(intervalSeconds = 60) {
  const lines: string[] = [];
  const log = new DenialLog(intervalSeconds, (line) => lines.push(line));
  return {
    log,
    /** What has been written since it was last asked. */
    written: () => lines.splice(0),
    deny: (client: string, route = LIST) => log.add(client, route, denied()),
  };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());
const pass = (seconds: number) => jest.advanceTimersByTime(seconds * 1000);

const first = (client: string) => `Denied: ${client} at ${LIST} by "default" (100 per 60 s), retry after 1 s.`;

describe('DenialLog', () => {
  it('tells of a client when it is first denied, and counts the rest', () => {
    const { deny, written } = makeLog();
    for (let i = 0; i < 1000; i++) deny('ip:203.0.113.7');
    expect(written()).toEqual([first('ip:203.0.113.7')]);
    pass(59);
    expect(written()).toEqual([]);
    pass(1);
    expect(written()).toEqual([
      `Denied in 60 s: 1000 requests of 1 client. Clients: ip:203.0.113.7 1000. Routes: ${LIST} 1000.`,
    ]);
  });

  it('sums up outside the request that began the interval', async () => {
    jest.useRealTimers();
    const requests = new AsyncLocalStorage<string>();
    const known: (string | undefined)[] = [];
    await new Promise<void>((resolve) => {
      const log = new DenialLog(0.001, () => {
        known.push(requests.getStore());
        if (known.length === 2) resolve();
      });
      requests.run('request 1', () => {
        log.add('a', LIST, denied());
        log.add('a', LIST, denied());
      });
    });
    expect(known).toEqual(['request 1', undefined]);
  });

  it('does not sum up what it has told already', () => {
    const { deny, written } = makeLog();
    deny('ip:203.0.113.7');
    deny('ip:203.0.113.8');
    expect(written()).toHaveLength(2);
    pass(600);
    expect(written()).toEqual([]);
  });

  it('names the five most frequent clients and routes', () => {
    const { deny, written } = makeLog();
    for (let i = 1; i <= 7; i++) {
      for (let times = 0; times < i; times++) deny(`user#${i}`, `Controller${i % 2}.list`);
    }
    written();
    pass(60);
    expect(written()).toEqual([
      'Denied in 60 s: 28 requests of 7 clients. Clients: user#7 7, user#6 6, user#5 5, user#4 4, user#3 3. ' +
        'Routes: Controller1.list 16, Controller0.list 12.',
    ]);
  });

  it('tells of a client again once it has been quiet for a whole interval', () => {
    const { deny, written } = makeLog();
    deny('everyone');
    pass(60);
    deny('everyone');
    pass(60);
    // Denied in every interval: one line when it began, and summaries.
    expect(written()).toEqual([
      first('everyone'),
      `Denied in 60 s: 1 request of 1 client. Clients: everyone 1. Routes: ${LIST} 1.`,
    ]);
    pass(120);
    deny('everyone');
    expect(written()).toEqual([first('everyone')]);
  });

  it('says where no wait would help', () => {
    const { log, written } = makeLog();
    log.add('everyone', LIST, denied(101));
    expect(written()).toEqual([
      `Denied: everyone at ${LIST} by "default" (100 per 60 s), it costs more than the limit ever allows.`,
    ]);
  });

  it.each([
    [60_000_000, 'because it is blocked, retry after 60 s.'],
    [Infinity, 'because it is blocked, until that is lifted.'],
  ])('says that a client is blocked until %d', (untilMicros, reason) => {
    const { log, written } = makeLog();
    const blocked = new BlockedPolicyDecision({ policy, subject: 'x', cost: 1 }, 0, untilMicros);
    log.add('everyone', LIST, new Decision(false, blocked, []));
    expect(written()).toEqual([`Denied: everyone at ${LIST} ${reason}`]);
  });

  it('writes at most eleven lines per interval, of bounded length, and keeps bounded memory, for 100 000 rotating clients', () => {
    const { log, deny, written } = makeLog();
    const kept = log as unknown as Record<string, { readonly size: number }>;
    for (let interval = 0; interval < 5; interval++) {
      for (let i = 0; i < 100_000; i++) {
        deny(`ip:2001:db8:${interval}:${i.toString(16)}::/64`, `Controller${i}.list`);
      }
      pass(60);
      const lines = written();
      expect(lines).toHaveLength(11);
      expect(lines.at(-1)).toBe('Denied in 60 s: 100000 requests of at least 10000 clients.');
      for (const line of lines) expect(line.length).toBeLessThan(300);
      for (const [name, most] of Object.entries({
        clients: 1e4,
        earlier: 1e4,
        countsByClient: 1e3,
        countsByRoute: 1e3,
      }))
        expect(kept[name]!.size).toBeLessThanOrEqual(most);
    }
  });

  it('finds the one who asks most among 100 000 who rotate', () => {
    const { deny, written } = makeLog();
    for (let i = 0; i < 100_000; i++) {
      deny(`ip:2001:db8:0:${i.toString(16)}::/64`);
      if (i % 10 === 0) deny('ip:203.0.113.7');
    }
    pass(60);
    const [, count] = /Clients: ip:203\.0\.113\.7 at least (\d+)\. Routes: /.exec(written().at(-1)!)!;
    expect(Number(count)).toBeGreaterThan(9800);
    expect(Number(count)).toBeLessThanOrEqual(10_000);
  });

  it('needs no timer while nobody is denied, and none that keeps a process alive', () => {
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const { deny } = makeLog(3600);
    expect(jest.getTimerCount()).toBe(0);
    deny('everyone');
    expect(jest.getTimerCount()).toBe(1);
    expect((timers.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
    pass(7200);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells at the end what has not been told, once', () => {
    const { log, deny, written } = makeLog();
    deny('everyone');
    deny('everyone');
    log.flush();
    expect(written()).toEqual([
      first('everyone'),
      `Denied before the application ended: 2 requests of 1 client. Clients: everyone 2. Routes: ${LIST} 2.`,
    ]);
    log.flush();
    pass(600);
    expect(written()).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
