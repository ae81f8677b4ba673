// A process of its own that takes as much of one bucket as it can get, and then tells what it got.
// Forked with one argument in JSON: { url, prefix, policy, subject, durationMs, inFlight }. Needs a build.
import { Policy } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';

const { url, prefix, policy: definition, subject, durationMs, inFlight } = JSON.parse(process.argv[2]);
const policy = new Policy(definition);
const storage = new RedisStorage({ url, prefix, deadlineMs: 10_000 });
await storage.open();

process.send('ready');
await new Promise((resolve) => process.once('message', resolve));

const admittedAt = [];
const admittedCosts = [];
let asked = 0;
let firstMicros = Infinity;
let lastMicros = 0;
const stopAt = performance.now() + durationMs;

async function hammer(lane) {
  for (let i = lane; performance.now() < stopAt; i++) {
    const cost = 1 + (i % 3);
    const { allowed, nowMicros } = await storage.consume([{ policy, subject, cost }]);
    asked++;
    firstMicros = Math.min(firstMicros, nowMicros);
    lastMicros = Math.max(lastMicros, nowMicros);
    if (!allowed) continue;
    admittedAt.push(nowMicros);
    admittedCosts.push(cost);
  }
}
await Promise.all(Array.from({ length: inFlight }, (_, lane) => hammer(lane)));
await storage.close();
process.send({ asked, firstMicros, lastMicros, admittedAt, admittedCosts }, () => process.disconnect());
