import type { Charge } from '../../src/core/charge.js';
import { RateLimitConfigurationError } from '../../src/core/errors.js';
import type { RateLimitStorage, StorageReply } from '../../src/core/storage.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import { ManualClock, storageContract, type StorageHarness, type StorageTopic } from '../../src/testing/index.js';
import { HIDDEN_MISTAKES, LeastBehind, MemoryBehind, MISTAKES } from './broken-storages.js';
import { memoryState } from './memory-state.js';

const START = new ManualClock().nowMicros();

function harness(make: (memory: MemoryStorage) => RateLimitStorage, clock = new ManualClock()): StorageHarness {
  const memory = new MemoryStorage({ clock });
  return {
    storage: make(memory),
    advanceMs: (milliseconds) => clock.advanceMs(milliseconds),
    state: () => memoryState(memory),
  };
}

/** One that cannot show what its storage keeps. */
function blind(seeing: StorageHarness): StorageHarness {
  return { ...seeing, state: undefined };
}

/** The topics of which a check fails, with what each failure says. */
async function failures(create: () => StorageHarness): Promise<ReadonlyMap<StorageTopic, readonly Error[]>> {
  const failed = new Map<StorageTopic, Error[]>();
  for (const { topic, run } of storageContract(create)) {
    await run().catch((error: Error) => failed.set(topic, [...(failed.get(topic) ?? []), error]));
  }
  return failed;
}

it('passes a storage that keeps its promises, whether it answers at once or later', async () => {
  class Late extends MemoryBehind {
    override async consume(charges: readonly Charge[]): Promise<StorageReply> {
      return this.memory.consume(charges);
    }
  }
  expect(await failures(() => harness((memory) => memory))).toEqual(new Map());
  expect(await failures(() => harness((memory) => new Late(memory)))).toEqual(new Map());
});

it('fits a storage that leaves out what may be left out, when those topics are left out', async () => {
  const least = () => harness((memory) => new LeastBehind(memory));
  const found = await failures(least);
  const members = { cancelling: 'cancel', owing: 'owe', overrides: 'overrideStore' } as const;
  expect([...found.keys()]).toEqual(Object.keys(members));
  for (const [topic, member] of Object.entries(members)) {
    const errors = found.get(topic as StorageTopic)!;
    expect(errors).toHaveLength(storageContract(least).filter((check) => check.topic === topic).length);
    for (const error of errors) {
      expect(error).toEqual(
        new RateLimitConfigurationError(
          `storageContract: the storage does not override ${member}, which the topic "${topic}" is about. ` +
            `Remedy: leave the topic out: storageContract(create).filter(({ topic }) => topic !== '${topic}').`,
        ),
      );
    }
  }
});

it.each([
  ...MISTAKES.map((mistake) => [...mistake, blind] as const),
  ...HIDDEN_MISTAKES.map((mistake) => [...mistake, (seeing: StorageHarness) => seeing] as const),
])('finds it where %s', async (_mistake, topic, Wrong, look) => {
  const found = (await failures(() => look(harness((memory) => new Wrong(memory))))).get(topic) ?? [];
  expect(found).not.toHaveLength(0);
  for (const error of found) expect(error).toMatchObject({ code: 'ERR_ASSERTION' });
});

it('needs state only to see the bytes', async () => {
  expect(await failures(() => blind(harness((memory) => memory)))).toEqual(new Map());
  for (const [, , Wrong] of HIDDEN_MISTAKES) {
    expect(await failures(() => blind(harness((memory) => new Wrong(memory))))).toEqual(new Map());
  }
  const untidy = () => ({ ...harness((memory) => memory), state: () => String(Math.random()) });
  const found = await failures(untidy);
  expect([...found.keys()]).toEqual(expect.arrayContaining(['many charges', 'giving back']));
});

it.each([
  [
    'runs by itself',
    () =>
      new (class extends ManualClock {
        override nowMicros() {
          this.advanceMicros(1);
          return super.nowMicros();
        }
      })(START - 1),
    `the clock of the storage runs by itself: ${START} µs, then ${START + 1} µs`,
  ],
  [
    'does not stand at the start of a minute',
    () => new ManualClock(START + 1),
    `the clock of the storage stands at ${START + 1} µs, which is not the start of a minute`,
  ],
])('says so of a clock that %s', async (_case, clock, problem) => {
  const [first] = storageContract(() => harness((memory) => memory, clock()));
  await expect(first!.run()).rejects.toThrow(
    new RateLimitConfigurationError(
      `storageContract: ${problem}. Remedy: give the storage a clock that moves only when told to, such as new ManualClock().`,
    ),
  );
});

it('has checks with names of their own, which begin with the topic', () => {
  const checks = storageContract(() => harness((memory) => memory));
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  for (const { topic, name } of checks) expect(name.startsWith(`${topic}: `)).toBe(true);
});

it('makes a storage for each check, opens and closes it, and lets go of it, whatever comes of the check', async () => {
  const calls: string[] = [];
  const note = (call: string) => () => void calls.push(call);
  const [check] = storageContract(() => {
    calls.push('create');
    const made = harness((memory) => new MemoryBehind(memory));
    return {
      ...made,
      storage: Object.assign(made.storage, { open: note('open'), close: note('close'), reset: note('reset') }),
      dispose: note('dispose'),
    };
  });
  await check!.run();
  expect(calls).toEqual(['create', 'open', 'close', 'dispose']);

  calls.length = 0;
  const [failing] = storageContract(() => {
    const made = harness((memory) => new MemoryBehind(memory), new ManualClock(1));
    return {
      ...made,
      storage: Object.assign(made.storage, { open: note('open'), close: note('close') }),
      dispose: note('dispose'),
    };
  });
  await expect(failing!.run()).rejects.toThrow(RateLimitConfigurationError);
  expect(calls).toEqual(['open', 'close', 'dispose']);
});

it.each([undefined, null, {}, new ManualClock()])('%p makes no storage', (create) => {
  expect(() => storageContract(create as never)).toThrow(
    /^storageContract: it was given .+ Remedy: pass a function that makes a storage: /,
  );
});
