import { startWithClock, statusesOf, times } from './sample-app.js';

describe('GET /health', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeAll(async () => {
    app = await startWithClock();
  });
  afterAll(() => app.close());

  it('is not limited, not even by the default', async () => {
    expect(await statusesOf(150, () => app.send('get', '/health'))).toEqual(times(150, 200));
  });

  it('says nothing about limits', async () => {
    const { body, headers } = await app.send('get', '/health');
    expect(body).toEqual({ status: 'ok' });
    expect(Object.keys(headers).filter((name) => name.includes('ratelimit'))).toEqual([]);
  });
});
