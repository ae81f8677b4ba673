import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Policy } from '../../src/core/policy.js';
import { ensureBuilt, root } from '../support/built.js';
import { deleteUnder, plainClient, redisUrl, uniquePrefix } from '../support/redis-testing.js';

const PROCESSES = 8;
const IN_FLIGHT = 16;
const DURATION_MS = 20_000;

interface Haul {
  asked: number;
  firstMicros: number;
  lastMicros: number;
  admittedAt: number[];
  admittedCosts: number[];
}

/** The next message of a process; an error when it ends without one. */
async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process ended with ${code} before it told anything; its output is above`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
  return message;
}

/**
 * The most that was admitted in any interval beyond what refilled in it, in units: over all intervals at once, because
 * the worst one that ends here is the worst that ended before, or begins here.
 */
function worstDebtUnits(policy: Policy, admissions: readonly [atMicros: number, cost: number][]): number {
  let worst = 0;
  let current = 0;
  let previous = 0;
  for (const [atMicros, cost] of admissions) {
    current = Math.max(0, current - (atMicros - previous) * policy.refillTokens) + cost * policy.refillMicros;
    previous = atMicros;
    worst = Math.max(worst, current);
  }
  return worst;
}

test(`${PROCESSES} processes on one bucket get no more than capacity and refill, and no less`, async () => {
  ensureBuilt();
  const prefix = uniquePrefix();
  // A second's worth of refill fits in: even a machine that is busy elsewhere for that long wastes none.
  const definition = { name: 'hammered', capacity: 1000, refillTokens: 997, refillSeconds: 1 };
  const policy = new Policy(definition);
  const argument = {
    ...{ url: redisUrl(), prefix, policy: definition, subject: 'everyone' },
    ...{ durationMs: DURATION_MS, inFlight: IN_FLIGHT },
  };
  const processes = Array.from({ length: PROCESSES }, () =>
    fork(join(root, 'test/support/redis-hammer.mjs'), [JSON.stringify(argument)], { cwd: root, execArgv: [] }),
  );
  try {
    await Promise.all(processes.map(messageOf));
    const hauls = await Promise.all(
      processes.map(async (child) => {
        const haul = messageOf(child);
        child.send('go');
        return (await haul) as Haul;
      }),
    );

    const admissions = hauls.flatMap(({ admittedAt, admittedCosts }) =>
      admittedAt.map((atMicros, i): [number, number] => [atMicros, admittedCosts[i]!]),
    );
    admissions.sort(([a], [b]) => a - b);
    const asked = hauls.reduce((sum, haul) => sum + haul.asked, 0);
    const firstMicros = Math.min(...hauls.map((haul) => haul.firstMicros));
    // Up to here all of them were asking; the one that ends last may ask for less than refills.
    const lastMicros = Math.min(...hauls.map((haul) => haul.lastMicros));
    const admitted = admissions.reduce((sum, [atMicros, cost]) => (atMicros <= lastMicros ? sum + cost : sum), 0);
    const bound = policy.capacity + ((lastMicros - firstMicros) * policy.refillTokens) / policy.refillMicros;
    const excess = (worstDebtUnits(policy, admissions) - policy.capacityUnits) / policy.refillMicros;
    console.log(
      `${PROCESSES} processes × ${IN_FLIGHT} in flight, ${((lastMicros - firstMicros) / 1e6).toFixed(3)} s by the server: ` +
        `${asked} decisions, ${admitted} tokens admitted of ${bound.toFixed(3)} (${((100 * admitted) / bound).toFixed(4)} %), ` +
        `worst excess over any interval ${excess.toFixed(6)} tokens`,
    );
    expect(excess).toBeLessThanOrEqual(0);
    expect(admitted).toBeLessThanOrEqual(bound);
    expect(admitted).toBeGreaterThanOrEqual(0.999 * bound);
  } finally {
    for (const child of processes) child.kill();
    const client = plainClient();
    await deleteUnder(client, prefix);
    await client.quit();
  }
}, 120_000);
