// How large: the bytes of a bucket and what a decision costs a processor, by what these depend on. Its figures are those of
// docs/operations.md and docs/algorithms.md.
import os from 'node:os';
import { Redis } from 'ioredis';
import { RedisStorage } from '../dist/esm/storage/redis/index.js';
import { startRedis } from '../test/support/redis-server.mjs';
import { Meter } from './redis/meter.mjs';
import { measureMemoryStorage } from './sizing/memory-bytes.mjs';
import * as bytes from './sizing/redis-bytes.mjs';
import * as processor from './sizing/redis-processor.mjs';
import { readOptions } from './support/options.mjs';
import { machine } from './support/table.mjs';

const { rounds, isWanted } = readOptions(9);

const redis = await startRedis();
// A late answer would be an error; here it is to be counted as late.
const storage = new RedisStorage({ url: redis.url, deadlineMs: 10_000 });
await storage.open();
const place = { storage, admin: new Redis(redis.url), meter: new Meter(redis.url) };
const PARTS = [
  { title: 'bytes of texts in Redis', measure: bytes.measureTexts },
  { title: 'bytes of algorithms in Redis', measure: bytes.measureAlgorithms },
  { title: 'bytes in memory', measure: measureMemoryStorage },
  { title: 'eviction', measure: bytes.measureEviction },
  { title: 'processor by calls', measure: processor.measureCalls },
  { title: 'processor by algorithms', measure: processor.measureAlgorithms },
  { title: 'processor by length of a log', measure: processor.measureLogs },
  { title: 'processor of one subject', measure: processor.measureOneSubject },
  { title: 'processor of giving back', measure: processor.measureGivingBack },
];
console.log(`${machine(os)}; medians of ${rounds} turns`);
for (const { measure } of PARTS.filter(isWanted)) await measure(place, rounds);
place.meter.close();
place.admin.disconnect();
await storage.close();
await redis.stop();
