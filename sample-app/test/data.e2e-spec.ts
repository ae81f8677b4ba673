import { startWithClock, statusesOf, times } from './sample-app.js';

describe('GET / and GET /data', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const home = () => app.send('get', '/');
  const data = (address?: string) => app.send('get', '/data', { address });

  it('allows 10 requests at once and counts them down', async () => {
    for (let remaining = 9; remaining >= 0; remaining--) {
      const { status, headers } = await data();
      expect(status).toBe(200);
      expect(headers).toMatchObject({ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': String(remaining) });
      expect(headers).not.toHaveProperty('retry-after');
    }
  });

  it('denies the 11th and says when to come back', async () => {
    await statusesOf(10, data);

    const { status, headers, body } = await data();

    expect(status).toBe(429);
    expect(headers).toMatchObject({
      'retry-after': '1',
      'cache-control': 'no-store',
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(Math.ceil(app.clock.unixMicros() / 1_000_000 + 0.5)),
      ratelimit: '"default";r=0;t=1',
      'ratelimit-policy': '"default";q=10;w=5',
    });
    expect(body).toMatchObject({ statusCode: 429, error: 'Too Many Requests' });
  });

  it('gets 2 more tokens each second', async () => {
    await statusesOf(15, data);

    app.clock.advanceMs(499.999);
    expect(await statusesOf(1, data)).toEqual([429]);

    app.clock.advanceMs(0.001);
    expect(await statusesOf(2, data)).toEqual([200, 429]);

    app.clock.advanceMs(3000);
    expect(await statusesOf(7, data)).toEqual([...times(6, 200), 429]);
  });

  it('is full again, and not more than full, after any longer time', async () => {
    await statusesOf(10, data);
    app.clock.advanceMs(3_600_000);
    expect(await statusesOf(11, data)).toEqual([...times(10, 200), 429]);
  });

  it('has one bucket for both routes', async () => {
    expect(await statusesOf(4, home)).toEqual(times(4, 200));
    expect(await statusesOf(7, data)).toEqual([...times(6, 200), 429]);
    expect(await statusesOf(1, home)).toEqual([429]);
  });

  it('has a bucket for every address', async () => {
    await statusesOf(11, data);
    expect(await statusesOf(11, () => data('203.0.113.7'))).toEqual([...times(10, 200), 429]);
  });

  it('leaves the other routes alone when it is used up', async () => {
    await statusesOf(11, data);
    expect((await app.send('post', '/exports')).headers).toMatchObject({ 'x-ratelimit-remaining': '4' });
  });

  it('knows in the handler what the header fields say', async () => {
    await statusesOf(3, data);
    const { headers, body } = await data();
    expect(headers).toMatchObject({ 'x-ratelimit-remaining': '6' });
    expect(body).toMatchObject({ requestsLeft: 6, fullInSeconds: 2 });
  });

  it('shows a page with every route', async () => {
    const { headers, text } = await home();
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['x-ratelimit-remaining']).toBe('9');
    for (const route of [
      '/data',
      '/reports',
      '/exports',
      '/exports/preview',
      '/notifications',
      '/complete',
      '/login',
      '/health',
      '/search?q=sales',
      '/admin/search-limits/user-1',
      '/admin/denials',
    ]) {
      expect(text).toContain(`'http://127.0.0.1:3000${route}'</code>`);
    }
  });
});
