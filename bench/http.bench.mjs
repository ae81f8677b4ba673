// A whole application: CPU of the server's process per request, for 10 000 clients behind a trusted proxy. Each
// application has a process of its own; this process is the proxy.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { join } from 'node:path';
import { Load, requestsOf } from './http/load.mjs';
import { readOptions } from './support/options.mjs';
import { machine, printTable } from './support/table.mjs';
import { medianOf, medianOfPairs, takeTurns } from './support/turns.mjs';

const CLIENTS = 10_000;
// Two processes of one application differ by a microsecond or so for as long as they live, so each is started anew.
const { rounds: STARTS, isWanted } = readOptions(12);
const PLATFORMS = [
  // Short turns: what else the machine does lasts for longer, and falls on all of them.
  { platform: 'express', rounds: 8, requests: 500 },
  { platform: 'fastify', rounds: 7, requests: 2500 },
];
const APPS = [
  ['bare', 'bare app'],
  ['noop', 'no-op interceptor'],
  ['floor', 'floor: a guard that reads the address and writes five constant fields'],
  ['throttler', '@nestjs/throttler'],
  ['guard', "nestjs-token-bucket, 'guard'"],
  ['legacy', "nestjs-token-bucket, 'guard', X-RateLimit only"],
  ['interceptor', "nestjs-token-bucket, 'interceptor'"],
];
const LIMITED = ['floor', 'throttler', 'guard', 'legacy', 'interceptor'];

console.log(`${machine(os)}; figures compare within one run only`);
for (const plan of PLATFORMS) if (isWanted({ title: plan.platform })) await compare(plan);

async function compare({ platform, rounds, requests }) {
  const of = Object.fromEntries(APPS.map(([name]) => [name, { turns: [] }]));
  for (let i = 0; i < STARTS; i++) {
    for (const { name, turns } of await measure(platform, rounds, requests)) of[name].turns.push(...turns);
  }
  const above = (name, other) => medianOfPairs(of[name], of[other], (mine, its) => mine.micros - its.micros);
  const throttlers = above('throttler', 'bare');
  printTable(
    `${platform}: medians of ${STARTS * rounds} turns of ${requests} requests`,
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

async function measure(platform, rounds, requests) {
  const bytes = requestsOf(CLIENTS);
  const servers = [];
  for (const [variant] of APPS) servers.push(await start(platform, variant, bytes));
  const contenders = servers.map(({ variant, child, load }) => ({
    name: variant,
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
  return results;
}

async function start(platform, variant, bytes) {
  const child = fork(join(import.meta.dirname, 'http/server.mjs'), [platform, variant], {
    env: { ...process.env, NODE_ENV: 'production' },
    // Express leaves much to collect, and how long that takes differs from process to process where the heap is small.
    execArgv: ['--max-semi-space-size=64'],
  });
  const [{ port }] = await once(child, 'message');
  const load = await Load.to(port, bytes);
  // Every client has been there once, and the code is compiled, when the measuring begins.
  const response = await load.run(CLIENTS);
  if (/^x-ratelimit-limit: 1000\r$/im.test(response) !== LIMITED.includes(variant)) {
    throw new Error(`${platform}, ${variant} answers:\n${response}`);
  }
  return { variant, child, load };
}

async function cpuMicros(child) {
  child.send('cpu');
  const [{ user, system }] = await once(child, 'message');
  return user + system;
}
