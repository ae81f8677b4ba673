import { startWithClock, statusesOf, times } from './sample-app.js';

describe('POST /exports and POST /exports/preview', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const create = (address?: string) => app.send('post', '/exports', { address });
  const preview = (address?: string) => app.send('post', '/exports/preview', { address });

  it('allows 5 requests, and one more 12 seconds later', async () => {
    expect(await statusesOf(6, create)).toEqual([...times(5, 202), 429]);

    const { headers } = await create();
    expect(headers).toMatchObject({ 'retry-after': '12', 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '0' });

    app.clock.advanceMs(12_000);
    expect(await statusesOf(2, create)).toEqual([202, 429]);
  });

  it('has one bucket for both routes', async () => {
    expect(await statusesOf(3, create)).toEqual(times(3, 202));
    expect(await statusesOf(3, preview)).toEqual([200, 200, 429]);
    expect(await statusesOf(1, create)).toEqual([429]);
  });

  it('has a bucket for every address', async () => {
    await statusesOf(6, create);
    expect(await statusesOf(1, () => create('203.0.113.7'))).toEqual([202]);
  });

  it('is counted by the default as well', async () => {
    const { headers } = await create();
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '4' });
    expect(headers['ratelimit-policy']).toBe('"default";q=100;w=60, "exports";q=5;w=60');
  });
});
