import { startWithClock, statusesOf, times } from './sample-app.js';

const ALICE = { token: 'alice-token' };
const ADA = 'ada@example.org';

describe('POST /notifications', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const send = (to: unknown, client = ALICE) =>
    app.send('post', '/notifications', client).send({ to, text: 'Your report is ready.' });
  const limits = (method: 'get' | 'delete', recipient: string) =>
    app.send(method, `/notifications/limits/${recipient}`, ALICE);
  const mailsLeft = async (recipient: string): Promise<unknown> => (await limits('get', recipient)).body;

  it('sends a recipient 3 mails, and one more 20 seconds later', async () => {
    for (const left of [2, 1, 0]) {
      const { status, body } = await send(ADA);
      expect(status).toBe(200);
      expect(body).toEqual({ sent: true, mailsLeft: left });
    }
    expect((await send(ADA)).body).toEqual({ sent: false, retryAfterSeconds: 20 });

    app.clock.advanceMs(20_000);
    expect((await send(ADA)).body).toEqual({ sent: true, mailsLeft: 0 });
    expect((await send(ADA)).body).toEqual({ sent: false, retryAfterSeconds: 20 });
  });

  it('counts a recipient however it is spelled and whoever sends', async () => {
    await send(ADA);
    await send('Ada@Example.ORG', { token: 'bob-token' });
    expect(await mailsLeft(ADA)).toEqual({ mailsLeft: 1 });
  });

  it('counts every recipient for itself', async () => {
    for (let i = 0; i < 4; i++) await send(ADA);
    expect((await send('grace@example.org')).body).toEqual({ sent: true, mailsLeft: 2 });
  });

  it('does not count what could not be sent', async () => {
    expect(await statusesOf(5, () => send('ada@example.invalid'))).toEqual(times(5, 502));
    expect(await mailsLeft('ada@example.invalid')).toEqual({ mailsLeft: 3 });
  });

  it('tells how many mails are left, and takes none for that', async () => {
    for (let i = 0; i < 5; i++) expect(await mailsLeft(ADA)).toEqual({ mailsLeft: 3 });
    await send(ADA);
    for (let i = 0; i < 5; i++) expect(await mailsLeft(ADA)).toEqual({ mailsLeft: 2 });
  });

  it('forgets on demand what a recipient was sent', async () => {
    for (let i = 0; i < 4; i++) await send(ADA);
    expect((await limits('delete', ADA)).status).toBe(204);
    expect((await send(ADA)).body).toEqual({ sent: true, mailsLeft: 2 });
  });

  it('is limited by the default like other routes, which the mails have nothing to do with', async () => {
    for (let i = 0; i < 4; i++) await send(ADA);
    const { headers } = await send(ADA);
    expect(headers['ratelimit-policy']).toBe('"default";q=100;w=60');
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '95' });
  });

  it.each([[undefined], [''], ['nobody'], [['ada@example.org']], [7]])(
    'answers 400 to the recipient %j',
    async (to) => {
      expect((await send(to)).status).toBe(400);
    },
  );

  it('answers 401 to strangers', async () => {
    expect((await send(ADA, { token: 'eve-token' })).status).toBe(401);
    expect(await mailsLeft(ADA)).toEqual({ mailsLeft: 3 });
  });
});
