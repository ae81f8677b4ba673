import { type Client, startWithClock, statusesOf, times } from './sample-app.js';

const ALICE: Client = { token: 'alice-token' };
const BOB: Client = { token: 'bob-token' };
const CAROL: Client = { token: 'carol-token' }; // an administrator

describe('/admin', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const search = (client: Client) => app.send('get', '/search', client);
  const setLimit = (userId: string, perMinute: unknown, client = CAROL) =>
    app.send('put', `/admin/search-limits/${userId}`, client).send({ perMinute });
  const removeLimit = (userId: string, client = CAROL) => app.send('delete', `/admin/search-limits/${userId}`, client);

  describe('search-limits/:userId', () => {
    it('gives a user another limit at once, what is used up already included, and nobody else', async () => {
      expect(await statusesOf(11, () => search(ALICE))).toEqual([...times(10, 200), 429]);
      expect((await setLimit('user-1', 20)).status).toBe(204);
      // Still a minute until it is full, which is all of the new limit: a token every 3 s.
      app.clock.advanceMs(3000);
      expect(await statusesOf(2, () => search(ALICE))).toEqual([200, 429]);
      app.clock.advanceMs(60_000);
      const { headers } = await search(ALICE);
      expect(headers).toMatchObject({ 'x-ratelimit-limit': '20', 'x-ratelimit-remaining': '19' });
      expect((await search(BOB)).headers['ratelimit-policy']).toContain('"search.pro";q=60;');
    });

    it('has the plan count again', async () => {
      await setLimit('user-2', 1);
      expect(await statusesOf(2, () => search(BOB))).toEqual([200, 429]);
      const { status, body } = await removeLimit('user-2');
      expect([status, body]).toEqual([200, { wasSet: true }]);
      app.clock.advanceMs(60_000);
      expect((await search(BOB)).headers['ratelimit']).toMatch(/"search\.pro";r=59;/);
      expect((await removeLimit('user-2')).body).toEqual({ wasSet: false });
    });

    it.each([[undefined], ['20'], [null], [0], [1.5], [-1]])('takes no limit of %j', async (perMinute) => {
      const { status, body } = await setLimit('user-1', perMinute);
      expect(status).toBe(400);
      expect((body as { message: string }).message).toMatch(/perMinute|capacity/);
      expect((await search(ALICE)).headers['ratelimit-policy']).toContain('"search.free";q=10;');
    });

    it('knows who is a user', async () => {
      expect((await setLimit('user-9', 20)).status).toBe(404);
      expect((await removeLimit('constructor')).status).toBe(404);
    });
  });

  describe('denials', () => {
    const denials = async (): Promise<unknown> => (await app.send('get', '/admin/denials', CAROL)).body;

    it('counts denied requests by route, and no others', async () => {
      expect(await denials()).toEqual({});
      await statusesOf(13, () => search(ALICE));
      await statusesOf(12, () => app.send('get', '/data'));
      await search({ token: 'eve-token' });
      expect(await denials()).toEqual({ 'SearchController.search': 3, 'DataController.data': 2 });
    });
  });

  it.each([
    ['strangers', {}, 401],
    ['users who are no administrators', ALICE, 403],
  ])('is not for %s', async (_who, client, expected) => {
    const answers = [
      await app.send('get', '/admin/denials', client),
      await setLimit('user-1', 1000, client),
      await removeLimit('user-1', client),
    ];
    expect(answers.map(({ status }) => status)).toEqual(times(3, expected));
    expect((await search(ALICE)).headers['ratelimit-policy']).toContain('"search.free";q=10;');
  });
});
