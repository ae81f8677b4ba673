// A whole application: CPU of the server's process per request, for 10 000 clients behind a trusted proxy. Each
// application has a process of its own; this process is the proxy.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { join } from 'node:path';
import { Load, requestsOf } from './http/load.mjs';
import { machine, printTable } from './support/table.mjs';
import { medianOf, medianOfPairs, takeTurns } from './support/turns.mjs';

const CLIENTS = 10_000;
const PLATFORMS = [
  { platform: 'express', rounds: 41, requests: 1500 },
  { platform: 'fastify', rounds: 41, requests: 2500 },
];
const APPS = [
  ['bare', 'bare app'],
  ['noop', 'no-op interceptor'],
  ['throttler', '@nestjs/throttler'],
  ['guard', "nestjs-token-bucket, 'guard'"],
  ['legacy', "nestjs-token-bucket, 'guard', X-RateLimit only"],
  ['interceptor', "nestjs-token-bucket, 'interceptor'"],
];
const LIMITED = ['throttler', 'guard', 'legacy', 'interceptor'];

console.log(`${machine(os)}; figures compare within one run only`);
for (const plan of PLATFORMS) await compare(plan);

async function compare({ platform, rounds, requests }) {
  const bytes = requestsOf(CLIENTS);
  const servers = [];
  for (const [variant] of APPS) servers.push(await start(platform, variant, bytes));
  const contenders = servers.map(({ child, load }, i) => ({
    name: APPS[i][0],
    async turn() {
      const before = await cpuMicros(child);
      await load.run(requests);
      return { micros: ((await cpuMicros(child)) - before) / requests };
    },
  }));
  const results = await takeTurns(contenders, rounds);
  for (const { child, load } of servers) {
    load.close();
    child.disconnect();
  }

  const of = Object.fromEntries(results.map((result) => [result.name, result]));
  const above = (name, other) => medianOfPairs(of[name], of[other], (mine, its) => mine.micros - its.micros);
  const throttlers = above('throttler', 'bare');
  printTable(
    `${platform}: medians of ${rounds} turns of ${requests} requests`,
    ['', 'CPU µs a request', 'above bare', '× throttler'],
    APPS.map(([name, title]) => [
      title,
      medianOf(of[name], 'micros').toFixed(1),
      above(name, 'bare').toFixed(1),
      (above(name, 'bare') / throttlers).toFixed(2),
    ]),
  );
  const beyondNoop = above('interceptor', 'noop');
  console.log(
    `\nThe interceptor above a no-op one: ${beyondNoop.toFixed(1)} µs, ${(beyondNoop / throttlers).toFixed(2)} × throttler.`,
  );
}

async function start(platform, variant, bytes) {
  const child = fork(join(import.meta.dirname, 'http/server.mjs'), [platform, variant], {
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: [],
  });
  const [{ port }] = await once(child, 'message');
  const load = await Load.to(port, bytes);
  // Every client has been there once, and the code is compiled, when the measuring begins.
  const response = await load.run(CLIENTS);
  if (/^x-ratelimit-limit: 1000\r$/im.test(response) !== LIMITED.includes(variant)) {
    throw new Error(`${platform}, ${variant} answers:\n${response}`);
  }
  return { child, load };
}

async function cpuMicros(child) {
  child.send('cpu');
  const [{ user, system }] = await once(child, 'message');
  return user + system;
}
