import { startWithClock, statusesOf, times } from './sample-app.js';

const RIGHT = { username: 'alice', password: 'alice-password' };
const WRONG = { username: 'alice', password: 'guess' };

describe('POST /login', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const login = (credentials?: object, address?: string) => app.send('post', '/login', { address }).send(credentials);

  it('answers with a token that /reports accepts', async () => {
    const { status, body } = await login(RIGHT);
    expect(status).toBe(200);
    const { token } = body as { readonly token: string };
    expect((await app.send('get', '/reports', { token })).body).toMatchObject({ userId: 'user-1' });
  });

  it.each([
    ['a wrong password', WRONG],
    ['an unknown user', { username: 'eve', password: 'alice-password' }],
    ['the password of somebody else', { username: 'alice', password: 'bob-password' }],
    ['other types', { username: ['alice'], password: { length: 1 } }],
    ['no fields', {}],
    ['no body', undefined],
  ])('answers 401 to %s', async (_case, credentials) => {
    expect((await login(credentials)).status).toBe(401);
  });

  it('allows an address 5 attempts that fail, and one more 12 seconds later', async () => {
    expect(await statusesOf(5, () => login(WRONG))).toEqual(times(5, 401));

    const { status, headers } = await login(RIGHT);
    expect(status).toBe(429);
    expect(headers).toMatchObject({ 'retry-after': '12', 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '0' });

    app.clock.advanceMs(12_000);
    expect(await statusesOf(2, () => login(WRONG))).toEqual([401, 429]);
  });

  it('does not count attempts that succeed', async () => {
    await statusesOf(4, () => login(WRONG));
    expect(await statusesOf(20, () => login(RIGHT))).toEqual(times(20, 200));
    expect(await statusesOf(2, () => login(WRONG))).toEqual([401, 429]);
  });

  it('is not got past by many attempts at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => login(WRONG)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
  });

  it('has a bucket of its own for every address', async () => {
    await statusesOf(6, () => login(WRONG));
    expect(await statusesOf(1, () => login(RIGHT, '203.0.113.7'))).toEqual([200]);
    expect(await statusesOf(1, () => app.send('post', '/exports'))).toEqual([202]);
    expect(await statusesOf(1, () => app.send('get', '/data'))).toEqual([200]);
  });

  it('has the fields on wrong attempts, too', async () => {
    const { headers } = await login(WRONG);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '4' });
  });

  it('ends for an address that has used up the default elsewhere', async () => {
    await statusesOf(100, () => app.send('get', '/reports'));
    expect(await statusesOf(1, () => login(RIGHT))).toEqual([429]);
  });

  it('takes nothing from the default once it denies', async () => {
    await statusesOf(50, () => login(WRONG));
    const { headers } = await app.send('get', '/reports', { token: 'alice-token' });
    expect(headers['ratelimit']).toMatch(/^"default";r=94;/);
  });
});
