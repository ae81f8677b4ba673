import { type Client, startWithClock, statusesOf, times } from './sample-app.js';

const ALICE: Client = { token: 'alice-token' }; // of the plan `free`
const BOB: Client = { token: 'bob-token' }; // of the plan `pro`

describe('GET /search', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const search = (client: Client, text = 'sales') => app.send('get', `/search?q=${text}`, client);

  it('finds what is asked for', async () => {
    expect((await search(ALICE)).body).toEqual({ found: ['Sales of alice', 'Sales of bob'] });
    expect((await search(ALICE, 'nothing')).body).toEqual({ found: [] });
    expect((await app.send('get', '/search?q=a&q=b', ALICE)).status).toBe(200);
  });

  it('allows each user what the plan says, and one more when a token has come', async () => {
    expect(await statusesOf(11, () => search(ALICE))).toEqual([...times(10, 200), 429]);
    app.clock.advanceMs(6000);
    expect(await statusesOf(2, () => search(ALICE))).toEqual([200, 429]);
    expect(await statusesOf(61, () => search(BOB))).toEqual([...times(60, 200), 429]);
  });

  it('tells of the plan in the header fields', async () => {
    expect((await search(ALICE)).headers).toMatchObject({
      'ratelimit-policy': '"default";q=100;w=60, "search.free";q=10;w=60',
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '9',
    });
    expect((await search(BOB)).headers['ratelimit']).toMatch(/"search\.pro";r=59;/);
  });

  it('does not know strangers, and charges them by the default alone', async () => {
    const { status, headers } = await search({ token: 'eve-token' });
    expect(status).toBe(401);
    // The guard that refuses stands before the interceptor, which writes the fields of those who are admitted.
    expect(headers).not.toHaveProperty('retry-after');
    expect(await statusesOf(100, () => search({ token: 'eve-token' }))).toEqual([...times(99, 401), 429]);
  });
});
