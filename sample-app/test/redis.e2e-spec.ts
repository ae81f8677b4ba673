import { randomUUID } from 'node:crypto';
import { RedisStorage } from 'nestjs-token-bucket/redis';
import type request from 'supertest';
import { CarrierApi } from '../src/parcels/carrier-api.js';
import { type SampleApp, startSampleApp, statusesOf, times } from './sample-app.js';

const TOKEN = { token: 'alice-token' };
const ADMIN = { token: 'carol-token' };
const PARCELS = 25;

describe('two instances on one Redis', () => {
  let instances: readonly [SampleApp, SampleApp];
  let carrier: CarrierApi;
  beforeEach(async () => {
    carrier = new CarrierApi();
    await carrier.onModuleInit();
    const prefix = `sample-${randomUUID()}:`;
    // Patient: what a busy test machine does to the answers of Redis is not what is tested here.
    const start = () =>
      startSampleApp({
        storage: new RedisStorage({ url: process.env.REDIS_URL, prefix, deadlineMs: 5000 }),
        carrierUrl: carrier.url,
      });
    instances = [await start(), await start()];
  });
  afterEach(async () => {
    for (const instance of instances) await instance.close();
    carrier.onApplicationShutdown();
  });

  let turn = 0;
  const inTurns = (...asked: Parameters<SampleApp['send']>): (() => request.Test) => {
    return () => instances[turn++ % 2 === 0 ? 0 : 1].send(...asked);
  };

  it('allow a burst of 10 to /data together, and no more than the refill of the time it took', async () => {
    const begin = performance.now();
    const answers = await Promise.all(Array.from({ length: 30 }, inTurns('get', '/data')));
    const seconds = (performance.now() - begin) / 1000;

    const allowed = answers.filter(({ status }) => status === 200);
    expect(allowed.length).toBeGreaterThanOrEqual(10);
    expect(allowed.length).toBeLessThanOrEqual(10 + Math.ceil(2 * seconds));
    for (const { status, headers } of answers) {
      expect(headers).toMatchObject({ 'x-ratelimit-limit': '10' });
      expect(headers['retry-after']).toBe(status === 200 ? undefined : '1');
    }
  });

  it('refill', async () => {
    const data = inTurns('get', '/data');
    await statusesOf(11, data);
    await new Promise((resolve) => setTimeout(resolve, 1010));
    expect(await statusesOf(2, data)).toEqual([200, 200]);
  });

  it('share the bucket of a user', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, inTurns('get', '/reports', TOKEN)));
    expect(answers.map(({ status }) => status)).toEqual(times(30, 200));
    const remaining = answers.map(({ headers }) => Number(headers['x-ratelimit-remaining']));
    // Buckets apart would both end at 15 or more.
    expect(Math.min(...remaining)).toBeLessThan(15);
  });

  it('share the buckets of /exports and /login, each its own', async () => {
    const statuses = [
      ...(await statusesOf(3, inTurns('post', '/exports'))),
      ...(await statusesOf(3, inTurns('post', '/exports/preview'))),
    ];
    expect(statuses).toEqual([202, 202, 202, 200, 200, 429]);
    expect(await statusesOf(6, inTurns('post', '/login'))).toEqual([...times(5, 401), 429]);
  });

  it('do not limit /health, and answer 401 to strangers', async () => {
    expect(await statusesOf(110, inTurns('get', '/health'))).toEqual(times(110, 200));
    expect(await statusesOf(2, inTurns('get', '/reports'))).toEqual([401, 401]);
  });

  it('never make the carrier that they share answer 429, and send all parcels of a burst', async () => {
    const asked = Array.from({ length: PARCELS }, (_, i) => inTurns('get', `/parcels/${i}`)());
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).toEqual(times(PARCELS, 200));
    expect(answers.map(({ body }) => (body as { id: string }).id)).toEqual(answers.map((_, i) => String(i)));
    expect(carrier.calls).toEqual({ answered: PARCELS, refused: 0 });
  });

  it('follow each other in what an administrator decides', async () => {
    const [here, there] = instances;
    const limitThere = async () =>
      Number(/"search\.free";q=(\d+)/.exec((await there.send('get', '/search', TOKEN)).get('RateLimit-Policy')!)?.[1]);
    expect(await limitThere()).toBe(10);
    const { status } = await here.send('put', '/admin/search-limits/user-1', ADMIN).send({ perMinute: 50 });
    expect(status).toBe(204);
    while ((await limitThere()) !== 50);
    expect((await there.send('delete', '/admin/search-limits/user-1', ADMIN)).body).toEqual({ wasSet: true });
  });
});
