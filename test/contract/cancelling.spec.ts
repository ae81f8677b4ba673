import type { Charge } from '../../src/core/charge.js';
import { reserving } from '../../src/core/reservation.js';
import { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { RedisStorage } from '../../src/storage/redis/redis.storage.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { awkwardPolicies } from '../support/redis-policies.js';
import { SeededRandom, seedOfThisRun } from '../support/redis-random.js';
import { FAR_AHEAD_MICROS, storageAtClock } from '../support/redis-script-clock.js';
import { deleteUnder, plainClient, uniquePrefix } from '../support/redis-testing.js';

const OPERATIONS = 6000;

const client = plainClient();
const prefix = uniquePrefix();

afterAll(async () => {
  await deleteUnder(client, prefix);
  await client.quit();
});

test('memory and Redis reserve, take back and owe up to a bound alike', async () => {
  const random = new SeededRandom(seedOfThisRun());
  const clock = new ManualClock(FAR_AHEAD_MICROS);
  const inMemory = new MemoryStorage({ clock });
  const inRedis = storageAtClock(client, clock, { prefix, denyCache: false });
  const policies = awkwardPolicies().filter(
    ({ windowMicros, capacityUnits }) => windowMicros === 0 && capacityUnits < 2 ** 50,
  );
  const taken: {
    charge: Charge;
    replies: [Awaited<ReturnType<RedisStorage['consume']>>, ReturnType<MemoryStorage['consume']>];
  }[] = [];
  const counts = { reserved: 0, denied: 0, cancelled: 0, kept: 0, owed: 0 };
  for (let operation = 0; operation < OPERATIONS; operation++) {
    const policy = random.pick(policies.slice(operation % 4, (operation % 4) + 3));
    const tokenMicros = Math.ceil(policy.refillMicros / policy.refillTokens);
    clock.advanceMicros(random.pick([0, 0, 0, 1, random.integer(0, tokenMicros)]));
    const subject = random.pick(['user:1', 'user:2']);
    const at = [operation, random.seed];
    if (random.next() < 0.4 && taken.length > 0) {
      const back = random.next() < 0.7 ? taken.length - 1 : random.integer(0, taken.length - 1);
      const [{ charge, replies }] = taken.splice(back, 1) as [(typeof taken)[number]];
      const expected = inMemory.cancel(charge, replies[1]);
      expect([at, await inRedis.cancel(charge, replies[0])]).toEqual([at, expected]);
      counts[expected ? 'cancelled' : 'kept']++;
    } else if (random.next() < 0.1) {
      const debtUnits = random.integer(1, policy.capacityUnits);
      const debts = [{ policy, subject, debtUnits, mostUnits: random.integer(0, 2 * policy.capacityUnits) }];
      inMemory.owe(debts);
      await inRedis.owe(debts);
      counts.owed++;
    } else {
      const charge = {
        policy: reserving(policy, 4 * tokenMicros),
        subject,
        cost: random.integer(1, Math.min(3, policy.capacity)),
      };
      const expected = inMemory.consume([charge]);
      const reply = await inRedis.consume([charge]);
      expect([at, reply]).toEqual([at, expected]);
      if (reply.allowed) taken.push({ charge, replies: [reply, expected] });
      counts[reply.allowed ? 'reserved' : 'denied']++;
    }
  }
  console.log(`equivalence of reservations, seed ${random.seed}: 0 differences in`, counts);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(OPERATIONS / 200);
}, 120_000);
