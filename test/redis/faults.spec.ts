import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { StorageFailureError } from '../../src/core/errors.js';
import { Policy } from '../../src/core/policy.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { OutageStorage } from '../../src/storage/outage/outage.storage.js';
import type { RedisStorageOptions } from '../../src/storage/redis/redis.options.js';
import { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { RedisProxy } from '../support/redis-proxy.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { freePort, startRedis } from '../support/redis-server.mjs';
import { eventually, keysUnder, plainClient } from '../support/redis-testing.js';

const DEADLINE_MS = 200;
/** For what is to be answered: a deadline that no slow moment of this machine passes. */
const PATIENCE_MS = 10_000;
/**
 * What a question may take beyond its deadline. Nothing of ours waits that long: it is the time for which this process,
 * beside other specs on two cores, may not be given a processor. To it comes the longest stall that was measured.
 */
const MARGIN_MS = 200;
/** Nothing refills while a test runs, and no load empties it. */
const plenty = new Policy({ capacity: 2_000_000, perSeconds: 366 * 86_400 });
const MANY_SUBJECTS = Array.from({ length: 20 }, (_, i) => `user:${i}`);

let server: Awaited<ReturnType<typeof startRedis>>;
let admin: Redis;
let proxy: RedisProxy;
let storage: RedisStorage;
let changes: boolean[];
/** Tokens of user:0 that were asked for beside any load. */
let taken: number;

beforeAll(async () => {
  server = await startRedis();
  admin = plainClient({}, server.url);
});
afterAll(async () => {
  await admin.quit();
  await server.stop();
});

beforeEach(async () => {
  await admin.flushall();
  proxy = await RedisProxy.start(server.port);
  changes = [];
  taken = 0;
  storage = storageOn();
  await storage.open();
  await take();
  // A machine that is busy may not have answered at once.
  changes.splice(0);
});

afterEach(async () => {
  await storage.close();
  await proxy.stop();
  // Whatever happened: no key that nobody will ever remove.
  for (const key of await keysUnder(admin, '')) expect([key, await admin.pttl(key)]).not.toEqual([key, -1]);
});

function storageOn(options: Partial<RedisStorageOptions> = {}): RedisStorage {
  return new RedisStorage({
    url: proxy.url,
    deadlineMs: DEADLINE_MS,
    logger: { warn: () => {} },
    onAvailability: ({ available }) => changes.push(available),
    ...options,
  } as RedisStorageOptions);
}

const one = (subject: string, policy = plenty) => [{ policy, subject, cost: 1 }];

const isBack = (asked = storage) =>
  eventually(async () => {
    if (!asked.isAvailable) return false;
    return Promise.resolve(asked.peek(one('nobody'))).then(
      () => true,
      () => false,
    );
  });

/** Takes a token, asked for until there is an answer: within the deadline a machine that is busy may give none. */
const take = (asked = storage) =>
  eventually(() => {
    taken++;
    return Promise.resolve(asked.consume(one('user:0'))).then(
      ({ allowed }) => allowed,
      () => false,
    );
  });

/** Tokens that the server itself counts as taken of these subjects' buckets. */
async function charged(subjects: readonly string[], policy = plenty): Promise<number> {
  const direct = new RedisStorage({
    client: admin,
    reuseConnection: true,
    deadlineMs: PATIENCE_MS,
    logger: { warn: () => {} },
  });
  let tokens = 0;
  for (const subject of subjects) {
    tokens += Math.ceil((await direct.peek(one(subject, policy))).debtUnits[0]! / policy.refillMicros);
  }
  return tokens;
}

/** A closed loop: so many workers, each of which asks again when it has an answer. */
class Load {
  answered = 0;
  denied = 0;
  failed = 0;
  longestMs = 0;
  /** Of those asked or under way since {@link begin}, the ones that waited in vain. */
  waited = 0;
  readonly deniedSubjects = new Set<string>();
  private isOver = false;
  private readonly stalls = monitorEventLoopDelay({ resolution: 1 });
  private readonly workers: Promise<void>[];

  constructor(
    count: number,
    private readonly asked: RedisStorage | OutageStorage = storage,
    private readonly policy = plenty,
    private readonly pauseMs = 0,
  ) {
    this.stalls.enable();
    this.workers = Array.from({ length: count }, (_, i) => this.work(i));
  }

  private async work(worker: number): Promise<void> {
    for (let i = worker; !this.isOver; i++) {
      const begin = performance.now();
      // What is not asked waits for nothing but this process, whose stalls are counted apart.
      const isAsked = this.asked.isAvailable;
      const subject = MANY_SUBJECTS[i % 20]!;
      let isAnswered = true;
      try {
        const { allowed } = await this.asked.consume(one(subject, this.policy));
        this.answered++;
        if (!allowed) this.denied++;
        if (!allowed) this.deniedSubjects.add(subject);
      } catch (error) {
        expect(error).toBeInstanceOf(StorageFailureError);
        this.failed++;
        isAnswered = false;
      }
      const tookMs = performance.now() - begin;
      this.longestMs = Math.max(this.longestMs, tookMs);
      if (isAsked && !isAnswered && tookMs > DEADLINE_MS / 2) this.waited++;
      await (this.pauseMs === 0 ? new Promise(setImmediate) : sleep(this.pauseMs));
    }
  }

  /** Who waited in vain until now does not count: the fault begins. */
  begin(): this {
    this.waited = 0;
    return this;
  }

  /** Until each subject has been denied once, so that all that it has is taken. */
  async takesAll(): Promise<void> {
    this.deniedSubjects.clear();
    await eventually(() => this.deniedSubjects.size === MANY_SUBJECTS.length);
  }

  async end(): Promise<this> {
    this.isOver = true;
    await Promise.all(this.workers);
    this.stalls.disable();
    return this;
  }

  get stallMs(): number {
    return this.stalls.max / 1e6;
  }

  expectInTime(deadlineMs = DEADLINE_MS): void {
    expect(this.longestMs).toBeLessThan(deadlineMs + MARGIN_MS + this.stallMs);
  }

  get told(): string {
    const { answered, failed, denied, waited } = this;
    const times = `longest ${this.longestMs.toFixed(1)} ms, longest stall of the process ${this.stallMs.toFixed(1)} ms`;
    return `${answered} answered (${denied} denied), ${failed} failed, ${waited} waited in vain; ${times}`;
  }
}

describe('latency', () => {
  test.each([
    [0, PATIENCE_MS, true],
    [10, PATIENCE_MS, true],
    [100, PATIENCE_MS, true],
    [300, DEADLINE_MS, false],
    [1000, DEADLINE_MS, false],
  ])('of %d ms with a deadline of %d ms: answers %p, in time in any case', async (latencyMs, deadlineMs, answers) => {
    const asked = storageOn({ deadlineMs });
    await asked.open();
    await isBack(asked);
    proxy.questionDelayMs = latencyMs / 2;
    proxy.answerDelayMs = latencyMs / 2;
    const load = new Load(16, asked);
    await sleep(400);
    await load.end();
    console.log(`latency ${latencyMs} ms, deadline ${deadlineMs} ms: ${load.told}`);
    load.expectInTime(deadlineMs);
    expect(load.denied).toBe(0);
    if (answers) {
      expect(load.failed).toBe(0);
      expect(changes).not.toContain(false);
      expect(load.answered).toBeGreaterThanOrEqual(16);
    } else {
      expect(load.answered).toBe(0);
      expect(changes[0]).toBe(false);
    }
    proxy.heal();
    await isBack(asked);
    await asked.close();
  });
});

/** TCP loses nothing: where data was dropped, whatever is between the two has forgotten the connection. */
function healAndReset(): void {
  proxy.heal();
  proxy.resetAll();
}

const FAULTS: [fault: string, begin: () => void, end: () => void][] = [
  ['questions are dropped', () => (proxy.questions = 'drop'), healAndReset],
  ['answers are dropped', () => (proxy.answers = 'drop'), healAndReset],
  ['answers are kept back', () => (proxy.answers = 'keep back'), () => proxy.heal()],
  ['the server is frozen', () => process.kill(server.pid, 'SIGSTOP'), () => process.kill(server.pid, 'SIGCONT')],
  [
    'every connection is reset',
    () => {
      proxy.newcomers = 'reset';
      proxy.resetAll();
    },
    () => proxy.heal(),
  ],
  [
    'connections become half-open',
    () => {
      proxy.questions = 'drop';
      proxy.newcomers = 'half-open';
    },
    healAndReset,
  ],
];

describe.each(FAULTS)('while %s', (fault, begin, end) => {
  test.each([1, 16, 200])('%d under way: no more than these and five wait, and only probes go out', async (count) => {
    const load = new Load(count, storage, plenty, 1);
    await eventually(() => storage.isAvailable && load.answered >= 2 * count);
    const before = changes.length;
    load.begin();
    begin();
    try {
      await eventually(() => !storage.isAvailable, 5000);
      // Those that were asked before have their time to fail.
      await sleep(2 * DEADLINE_MS);
      const sent: string[] = [];
      proxy.onRequest = (data) => sent.push(data.toString('latin1'));
      const { failed } = load;
      await sleep(300);
      await eventually(() => load.failed > failed);
      proxy.onRequest = () => {};
      await load.end();
      console.log(`${fault}, ${count} under way: ${load.told}; while open ${sent.length} probes, 0 other requests`);
      expect(load.waited).toBeLessThanOrEqual(count + 5);
      load.expectInTime();
      expect(load.denied).toBe(0);
      expect(sent.filter((data) => data.includes('user:'))).toEqual([]);
    } finally {
      end();
    }
    await isBack();
    await take();
    expect(await charged(MANY_SUBJECTS)).toBeLessThanOrEqual(load.answered + load.failed + taken);
    expect(await charged(MANY_SUBJECTS)).toBeGreaterThanOrEqual(load.answered);
    expect(changes.slice(before)).toEqual([false, true]);
  });
});

test('a server that accepts connections and never answers is left for one that does', async () => {
  proxy.newcomers = 'half-open';
  proxy.cutAll();
  const load = new Load(16, storage, plenty, 1);
  await eventually(() => !storage.isAvailable);
  await eventually(() => proxy.connections > 1);
  await sleep(300);
  proxy.heal();
  const begin = performance.now();
  await isBack();
  await load.end();
  console.log(
    `half-open: back ${Math.round(performance.now() - begin)} ms after the server answers again; ${load.told}`,
  );
  load.expectInTime();
  expect(load.denied).toBe(0);
});

test('a server that was never started, and then is', async () => {
  const port = await freePort();
  const asked = storageOn({ url: `redis://127.0.0.1:${port}` });
  const begin = performance.now();
  await asked.open();
  const openedMs = performance.now() - begin;
  const load = new Load(16, asked, plenty, 1);
  await eventually(() => load.failed > 16);
  expect(load.answered).toBe(0);
  expect(load.waited).toBeLessThanOrEqual(16 + 5);
  const late = await startRedis([], { port });
  await isBack(asked);
  const { answered } = load;
  await eventually(() => load.answered > answered);
  await load.end();
  console.log(`never started: open in ${openedMs.toFixed(0)} ms; ${load.told}`);
  load.expectInTime();
  expect(load.denied).toBe(0);
  await asked.close();
  await late.stop();
});

describe('losing all state', () => {
  const CAPACITY = 50;
  const few = new Policy({ name: 'few', capacity: CAPACITY, perSeconds: 366 * 86_400 });

  test('by FLUSHALL gives out one capacity more per loss, and denies nobody who has not used that up', async () => {
    const asked = storageOn({ denyCache: false, deadlineMs: PATIENCE_MS });
    await asked.open();
    const LOSSES = 20;
    let [admitted, sinceLoss, unjustified] = [0, 0, 0];
    for (let loss = 0; loss <= LOSSES; loss++) {
      sinceLoss = 0;
      for (let i = 0; i < 2 * CAPACITY; i++) {
        const { allowed } = await asked.consume(one('user:0', few));
        if (allowed) sinceLoss++;
        else if (sinceLoss < CAPACITY) unjustified++;
      }
      admitted += sinceLoss;
      if (loss < LOSSES) await admin.flushall();
    }
    console.log(
      `FLUSHALL: ${admitted} admitted of a capacity of ${CAPACITY} with ${LOSSES} losses, ${unjustified} false denials`,
    );
    expect(admitted).toBe((LOSSES + 1) * CAPACITY);
    expect(unjustified).toBe(0);
    await asked.close();
  });

  test('is noticed within a second by the deny cache', async () => {
    const asked = storageOn({ deadlineMs: PATIENCE_MS });
    await asked.open();
    while ((await asked.consume(one('user:0', few))).allowed);
    await admin.flushall();
    const begin = performance.now();
    let lastDeniedMs = -Infinity;
    await eventually(async () => {
      const askedMs = performance.now() - begin;
      const { allowed } = await asked.consume(one('user:0', few));
      if (!allowed) lastDeniedMs = askedMs;
      return allowed;
    });
    expect(lastDeniedMs).toBeLessThan(1000);
    await asked.close();
  });

  test('by a restart under load gives out one capacity more, and decides again by itself', async () => {
    const perSubject = new Policy({ name: 'few', capacity: 10, perSeconds: 366 * 86_400 });
    let restarted = await startRedis();
    const asked = storageOn({ url: restarted.url, denyCache: false });
    await asked.open();
    const load = new Load(16, asked, perSubject, 1);
    await load.takesAll();
    await restarted.stop();
    await eventually(() => load.failed > 50);
    restarted = await startRedis([], { port: restarted.port });
    await isBack(asked);
    await load.takesAll();
    await load.end();
    console.log(`restart: ${load.told}`);
    const admitted = load.answered - load.denied;
    expect(admitted).toBeGreaterThan(10 * 20);
    expect(admitted).toBeLessThanOrEqual(2 * 10 * 20);
    load.expectInTime();
    await asked.close();
    await restarted.stop();
  });
});

test('SCRIPT FLUSH every 100 ms under load fails no decision and charges none twice', async () => {
  const asked = storageOn({ deadlineMs: PATIENCE_MS });
  await asked.open();
  const before = await charged(MANY_SUBJECTS);
  const load = new Load(32, asked);
  let flushes = 0;
  for (; flushes < 12; flushes++) {
    await sleep(100);
    await admin.script('FLUSH');
  }
  await eventually(() => load.answered > 32);
  await load.end();
  console.log(`SCRIPT FLUSH: ${flushes} flushes; ${load.told}`);
  expect(load).toMatchObject({ failed: 0, denied: 0 });
  expect((await charged(MANY_SUBJECTS)) - before).toBe(load.answered);
  await asked.close();
});

test('values that no script has written, under load: no failure, no token too many', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const CAPACITY = 30;
  const few = new Policy({ name: 'few', capacity: CAPACITY, perSeconds: 366 * 86_400 });
  const asked = storageOn({ deadlineMs: PATIENCE_MS, denyCache: false });
  await asked.open();
  const load = new Load(8, asked, few);
  const spoilers: ((key: string) => Promise<unknown>)[] = [
    (key) => admin.set(key, random.pick(['', 'x', 'NaN', '-1', '1e300', '0.5', '::', '1:2', '9'.repeat(40), '\0'])),
    (key) => admin.multi().del(key).rpush(key, 'x').exec(),
    (key) => admin.multi().del(key).hset(key, 'q', '1').exec(),
    (key) => admin.multi().del(key).zadd(key, 1, 'x').exec(),
    (key) => admin.multi().del(key).xadd(key, '*', 'q', '1').exec(),
  ];
  const SPOILT = 300;
  for (let i = 0; i < SPOILT; i++) {
    await random.pick(spoilers)(`rl:{${random.pick(MANY_SUBJECTS)}}few`);
    await sleep(1);
  }
  await load.end();
  for (const subject of MANY_SUBJECTS) await asked.consume(one(subject, few));
  console.log(`corrupt values (seed ${random.seed}): ${SPOILT} spoilt; ${load.told}`);
  expect([random.seed, load.failed]).toEqual([random.seed, 0]);
  expect([random.seed, load.answered - load.denied <= CAPACITY * 20]).toEqual([random.seed, true]);
  await asked.close();
});

describe.each<[fault: string, reason: string, begin: () => Promise<unknown>, end: () => Promise<unknown>]>([
  ['full', 'OOM', () => admin.config('SET', 'maxmemory', '1'), () => admin.config('SET', 'maxmemory', '0')],
  [
    'a replica that cannot be written',
    'READONLY',
    () => admin.replicaof('127.0.0.1', '1'),
    () => admin.replicaof('NO', 'ONE'),
  ],
])('a server that is %s', (fault, reason, begin, end) => {
  test('fails decisions at once, denies and charges nothing, and is used again when it is cured', async () => {
    // Whatever was charged has been answered.
    const asked = storageOn({ deadlineMs: PATIENCE_MS });
    await asked.open();
    await take(asked);
    const before = await charged(MANY_SUBJECTS);
    await begin();
    const load = new Load(16, asked, plenty, 1);
    try {
      await eventually(() => load.failed > 200);
      expect(load.answered).toBe(0);
      await expect(Promise.resolve().then(() => asked.consume(one('user:0')))).rejects.toThrow(StorageFailureError);
    } finally {
      await end();
    }
    await isBack(asked);
    const { answered } = load;
    await eventually(() => load.answered > answered);
    await load.end();
    console.log(`${fault} (${reason}): ${load.told}`);
    load.expectInTime(PATIENCE_MS);
    expect(load.denied).toBe(0);
    expect((await charged(MANY_SUBJECTS)) - before).toBe(load.answered);
    expect(changes[0]).toBe(false);
    expect(changes.at(-1)).toBe(true);
    await asked.close();
  });
});

describe('a user with the least rights', () => {
  /** All that the storage needs, on the keys that begin with its prefix; `>` is followed by the password. */
  const ACL =
    'on >secret resetkeys ~rl:* resetchannels -@all +eval +evalsha +time +get +set +del +strlen +getrange +setrange +pexpireat';

  const urlOf = (user: string) => server.url.replace('//', `//${user}:secret@`);

  beforeEach(() => jest.spyOn(console, 'warn').mockImplementation(() => {}));
  afterEach(async () => {
    jest.restoreAllMocks();
    await admin.acl('DELUSER', 'limiter');
  });

  test(`can do all that is asked of it: ${ACL}`, async () => {
    await admin.acl('SETUSER', 'limiter', 'reset', ...ACL.split(' '));
    await admin.call('ACL', 'LOG', 'RESET');
    await admin.script('FLUSH');
    const asked = storageOn({
      url: urlOf('limiter'),
      deadlineMs: PATIENCE_MS,
      denyCache: false,
    });
    await asked.open();
    const few = new Policy({ name: 'few', capacity: 10, perSeconds: 366 * 86_400 });
    const subject = 'user:acl';
    for (let round = 0; round < 2; round++) {
      const { nowMicros } = await asked.consume([{ policy: few, subject, cost: 6 }]);
      await asked.owe([{ policy: few, subject, debtUnits: 3 * few.refillMicros }]);
      expect((await asked.peek([{ policy: few, subject, cost: 2 }])).allowed).toBe(false);
      await asked.refund([{ policy: few, subject, cost: 6 }], nowMicros);
      expect((await asked.consume([{ policy: few, subject, cost: 7 }])).allowed).toBe(true);
      await asked.reset([{ policy: few, subject }]);
      expect((await asked.peek([{ policy: few, subject, cost: 10 }])).allowed).toBe(true);
      await admin.script('FLUSH');
    }
    const load = new Load(16, asked);
    await sleep(100);
    await load.end();
    expect(load).toMatchObject({ failed: 0, denied: 0 });
    expect(changes).not.toContain(false);
    // The breaker's probes, too.
    await (asked as unknown as { connection: { probe(): Promise<unknown> } }).connection.probe();
    await asked.close();
    // ioredis asks for INFO when it has connected, and does without where it may not.
    const refused = ((await admin.call('ACL', 'LOG')) as unknown[][]).map(
      (entry) => entry[entry.indexOf('object') + 1],
    );
    console.log(`ACL ${ACL}: ${load.told}; refused: ${refused.join()}`);
    expect(refused.filter((command) => command !== 'info')).toEqual([]);
    await admin.call('ACL', 'LOG', 'RESET');
  });

  test.each(['-eval', '-evalsha', '-time', '-get', '-set', '-del', 'resetkeys ~other:*'])(
    'stops the start, or fails decisions, with less: %s',
    async (less) => {
      await admin.acl('SETUSER', 'limiter', 'reset', ...ACL.split(' '), ...less.split(' '));
      const asked = storageOn({ url: urlOf('limiter'), deadlineMs: PATIENCE_MS });
      const outcome = await asked
        .open()
        .then(() => asked.consume(one('user:0')))
        .then(
          () => 'answered',
          (error: unknown) => (error as Error).message,
        );
      await asked.close();
      expect(outcome).toMatch(/NOPERM|permission|user executing the script/i);
    },
  );
});

describe('what was given out in an outage', () => {
  test('is carried back before every decision, although the server has never seen the script', async () => {
    const few = new Policy({ name: 'few', capacity: 10, perSeconds: 366 * 86_400 });
    const asked = storageOn({ deadlineMs: PATIENCE_MS, denyCache: false });
    const outage = new OutageStorage(asked, { onStorageFailure: 'local', instances: 1 });
    await outage.open();
    await admin.script('FLUSH');
    await outage.consume(one('user:1', few));
    await outage.reset([{ policy: few, subject: 'user:1' }]);
    proxy.newcomers = 'reset';
    proxy.resetAll();
    await eventually(() => !outage.isAvailable);
    let here = 0;
    for (let i = 0; i < 20; i++) if ((await outage.consume(one('user:1', few))).allowed) here++;
    proxy.heal();
    await eventually(() => outage.isAvailable);
    const replies = await Promise.all(Array.from({ length: 40 }, async () => outage.consume(one('user:1', few))));
    const there = replies.filter(({ allowed }) => allowed).length;
    console.log(`carried back: ${here} given out in the outage, ${there} after it, of 10`);
    expect(here).toBe(10);
    expect(there).toBe(0);
    expect(replies.some(({ madeInstead }) => madeInstead !== undefined)).toBe(false);
    await outage.close();
  });

  test('a fallback never stands in for a denial, under load', async () => {
    const few = new Policy({ name: 'few', capacity: 10, perSeconds: 366 * 86_400 });
    let made = 0;
    const outage = new OutageStorage(storageOn({ deadlineMs: PATIENCE_MS }), {
      onStorageFailure: 'allow',
      instances: 1,
      makeMemory: () => {
        made++;
        return new MemoryStorage();
      },
    });
    await outage.open();
    const load = new Load(16, outage, few);
    await load.takesAll();
    await load.end();
    console.log(`plain denials: ${load.told}`);
    expect(made).toBe(2);
    expect(load.failed).toBe(0);
    expect(load.answered - load.denied).toBe(10 * 20);
    await outage.close();
  });
});
