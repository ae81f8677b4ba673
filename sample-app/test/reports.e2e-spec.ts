import { type Client, startWithClock, statusesOf, times } from './sample-app.js';

const ALICE: Client = { token: 'alice-token' };
const BOB: Client = { token: 'bob-token' };

describe('GET /reports', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const reports = (client: Client) => app.send('get', '/reports', client);
  const guess = (address?: string) => reports({ token: 'guess', address });

  it('hands the user to the handler', async () => {
    expect((await reports(ALICE)).body).toMatchObject({ userId: 'user-1' });
    expect((await reports(BOB)).body).toMatchObject({ userId: 'user-2' });
  });

  it('allows each user 30 requests', async () => {
    const { headers } = await reports(ALICE);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '30', 'x-ratelimit-remaining': '29' });
    expect(await statusesOf(30, () => reports(ALICE))).toEqual([...times(29, 200), 429]);

    expect((await reports(BOB)).headers['ratelimit']).toMatch(/"per-user";r=29;/);
  });

  it('says when a denied user may come back', async () => {
    await statusesOf(30, () => reports(ALICE));

    const { status, headers } = await reports(ALICE);
    expect(status).toBe(429);
    expect(headers).toMatchObject({ 'retry-after': '2', 'x-ratelimit-limit': '30', 'x-ratelimit-remaining': '0' });

    app.clock.advanceMs(2000);
    expect(await statusesOf(2, () => reports(ALICE))).toEqual([200, 429]);
  });

  it('counts a user whatever the address', async () => {
    expect(await statusesOf(15, () => reports({ ...ALICE, address: '203.0.113.1' }))).toEqual(times(15, 200));
    expect(await statusesOf(16, () => reports({ ...ALICE, address: '203.0.113.2' }))).toEqual([...times(15, 200), 429]);
  });

  it('tells in X-RateLimit-* of whichever limit has less left of its capacity', async () => {
    await statusesOf(30, () => reports(ALICE));
    // Bob has 29 of 30, the address that he shares with Alice 69 of 100.
    expect((await reports(BOB)).headers).toMatchObject({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '69' });
  });

  it('counts every request of an address by the default as well', async () => {
    const { headers } = await reports(ALICE);
    expect(headers['ratelimit-policy']).toBe('"default";q=100;w=60, "per-user";q=30;w=60');
    expect(headers['ratelimit']).toMatch(/^"default";r=99;t=\d+, "per-user";r=29;t=\d+$/);
  });

  it('takes nothing from the default when the user is denied', async () => {
    await statusesOf(50, () => reports(ALICE));
    expect((await reports(BOB)).headers['ratelimit']).toMatch(/^"default";r=69;/);
  });

  it.each([
    ['no token', undefined],
    ['an unknown token', 'eve-token'],
    ['the name of a property that every object has', 'constructor'],
  ])('answers 401 to %s', async (_case, token) => {
    expect((await reports({ token })).status).toBe(401);
  });

  it('takes nothing else than a bearer token', async () => {
    expect((await reports({}).set('Authorization', 'Basic alice-token')).status).toBe(401);
  });

  it('limits requests without a user by the default, per address', async () => {
    expect(await statusesOf(101, guess)).toEqual([...times(100, 401), 429]);
    expect(await statusesOf(1, () => reports(ALICE))).toEqual([429]);
    expect(await statusesOf(1, () => guess('203.0.113.7'))).toEqual([401]);
    expect(await statusesOf(1, () => reports({ ...ALICE, address: '203.0.113.7' }))).toEqual([200]);
  });
});
