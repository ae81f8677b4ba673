import { deepEqual, equal, ok } from 'node:assert/strict';
import {
  MAX_OVERRIDES,
  OVERRIDE_GRACE_MICROS,
  type OverrideEntry,
  type OverrideStore,
} from '../../core/overrides/override-store.js';
import { type Checks, type Contract, perMinute } from './contract.js';

const AT_A_TIME = 100;

const storeOf = ({ storage }: Contract): OverrideStore => storage.overrideStore!;

/** All that was changed after a version, in as many answers as it takes. */
async function changesAfter(store: OverrideStore, version = 0) {
  const entries: OverrideEntry[] = [];
  for (let before = version; ;) {
    const read = await store.read(before);
    entries.push(...read.entries);
    if (read.version >= read.latestVersion) return { ...read, entries };
    ok(read.version > before, 'the version does not grow from answer to answer, so that a reader would never end');
    before = read.version;
  }
}

const keysAfter = async (store: OverrideStore, version = 0): Promise<readonly string[]> =>
  (await changesAfter(store, version)).entries.map(({ key }) => key);

async function writeMany(store: OverrideStore, keys: readonly string[]): Promise<readonly boolean[]> {
  const written: boolean[] = [];
  for (let i = 0; i < keys.length; i += AT_A_TIME) {
    written.push(...(await Promise.all(keys.slice(i, i + AT_A_TIME).map((key) => store.write(key, key, 0)))));
  }
  return written;
}

/** The store by itself: texts by key, with an end and a version. */
export const overrideStore: Checks = {
  'an empty store has version 0 and tells the time of the storage': async (contract) => {
    const store = storeOf(contract);
    const { nowMicros } = await contract.storage.peek([{ policy: perMinute(1), subject: 'user:1', cost: 1 }]);
    deepEqual(await store.read(0), { nowMicros, entries: [], version: 0, latestVersion: 0 });
  },

  'what was written is told of in the order of the changes, each key once': async (contract) => {
    const store = storeOf(contract);
    for (const [key, value] of ['a1', 'b1', 'c1', 'a2'].map((text) => text.split(''))) {
      equal(await store.write(key!, value!, 0), true);
    }
    const all = await changesAfter(store);
    deepEqual(
      all.entries.map(({ key, value, untilMicros }) => [key, value, untilMicros]),
      [
        ['b', '1', 0],
        ['c', '1', 0],
        ['a', '2', 0],
      ],
    );
    ok(all.version > 0 && Number.isSafeInteger(all.version));
    equal(all.version, all.latestVersion);
    deepEqual(await keysAfter(store, all.version), []);
    equal((await store.read(all.version)).version, all.version);
    await store.write('b', '2', 0);
    deepEqual(await keysAfter(store, all.version), ['b']);
    ok((await store.read(all.version)).latestVersion > all.version);
  },

  'an entry ends when its lifetime is over, by the clock of the storage': async (contract) => {
    const store = storeOf(contract);
    await contract.advanceMs(0.001);
    await store.write('soon', 'x', 1);
    await store.write('later', 'x', 86_400_000_000);
    await store.write('never', 'x', 0);
    const { nowMicros, entries } = await changesAfter(store);
    deepEqual(
      entries.map(({ untilMicros }) => untilMicros),
      [nowMicros + 1, nowMicros + 86_400_000_000, 0],
    );
    ok(store.nowMicros() >= nowMicros, 'what is known of the time is earlier than the last answer');
    await contract.advanceMs(1000);
    await store.write('later', 'y', 1_000_000);
    equal((await changesAfter(store)).entries.at(-1)!.untilMicros, nowMicros + 2_000_000);
  },

  'an entry that is removed is told of without a text, and is no longer there': async (contract) => {
    const store = storeOf(contract);
    equal(await store.remove('a'), false);
    await store.write('a', 'x', 0);
    const { version } = await changesAfter(store);
    equal(await store.remove('a'), true);
    const { entries } = await changesAfter(store, version);
    deepEqual(
      entries.map(({ key, value }) => [key, value]),
      [['a', '']],
    );
    equal(await store.remove('a'), false);
    await store.write('a', 'y', 0);
    equal(await store.remove('a'), true);
  },

  'an entry that is over cannot be removed': async (contract) => {
    const store = storeOf(contract);
    await store.write('a', 'x', 1_000_000);
    await contract.advanceMs(999.999);
    await store.write('b', 'x', 1);
    await contract.advanceMs(0.001);
    deepEqual([await store.remove('a'), await store.remove('b')], [false, false]);
  },

  'what is over or removed is told of for two minutes, and forgotten then': async (contract) => {
    const store = storeOf(contract);
    await store.write('over', 'x', 1_000_000);
    await store.write('removed', 'x', 0);
    await store.write('kept', 'x', 0);
    await store.remove('removed');
    await contract.advanceMs(OVERRIDE_GRACE_MICROS / 1000 - 1);
    deepEqual(await keysAfter(store), ['over', 'kept', 'removed']);
    await contract.advanceMs(1002);
    // Forgotten at the latest when everything has been read once.
    await keysAfter(store);
    deepEqual(await keysAfter(store), ['kept']);
  },

  'the version goes on growing when nothing is left': async (contract) => {
    const store = storeOf(contract);
    await store.write('a', 'x', 1);
    const { latestVersion } = await store.read(0);
    await contract.advanceMs(OVERRIDE_GRACE_MICROS / 1000 + 1);
    await keysAfter(store);
    await store.write('b', 'x', 0);
    ok((await store.read(0)).latestVersion > latestVersion);
    deepEqual(await keysAfter(store, latestVersion), ['b']);
  },

  'keys and texts come back as they were written': async (contract) => {
    const store = storeOf(contract);
    const keys = ['a', 'A', '__proto__', 'constructor', '0', '{a}', 'a/b:c', '%s', '!', '~'.repeat(1024)];
    const texts = [
      '"',
      '{"a":"\u00e9\u20ac\ud83d\ude00"}',
      '0:',
      ':',
      ' x\n',
      '\\u0000',
      'x'.repeat(10_000),
      '1',
      '-',
      '0',
    ];
    for (const [i, key] of keys.entries()) await store.write(key, texts[i]!, 0);
    deepEqual(
      (await changesAfter(store)).entries.map(({ key, value }) => [key, value]),
      keys.map((key, i) => [key, texts[i]]),
    );
  },

  [`${MAX_OVERRIDES} entries are kept and told of, and no more`]: async (contract) => {
    const store = storeOf(contract);
    const keys = Array.from({ length: MAX_OVERRIDES }, (_, i) => `user:${i}`);
    ok((await writeMany(store, keys)).every(Boolean));
    equal(await store.write('one-more', 'x', 0), false);
    equal(await store.write('user:0', 'again', 0), true);
    const told = await changesAfter(store);
    deepEqual(told.entries.map(({ key }) => key).toSorted(), keys.toSorted());
    equal(await store.remove('user:1'), true);
    await contract.advanceMs(OVERRIDE_GRACE_MICROS / 1000 + 1);
    deepEqual((await keysAfter(store)).length, MAX_OVERRIDES - 1);
    equal(await store.write('one-more', 'x', 0), true);
  },
};
