import { startWithClock, statusesOf, times } from './sample-app.js';

const ALICE = { token: 'alice-token' };

describe('POST /complete', () => {
  let app: Awaited<ReturnType<typeof startWithClock>>;
  beforeEach(async () => {
    app = await startWithClock();
  });
  afterEach(() => app.close());

  const complete = (prompt: unknown, client = ALICE) => app.send('post', '/complete', client).send({ prompt });
  /** Tokens that alice has left, by a request that takes none in the end. */
  const left = async (): Promise<number> => {
    const { headers } = await complete('');
    return Number(/"tokens";r=(\d+)/.exec(headers['ratelimit'] as string)?.[1]) + 100;
  };

  it('answers as the model does, and says what it took', async () => {
    const { status, body } = await complete('Write 3 words');
    expect([status, body]).toEqual([200, { text: 'word word word', tokensUsed: 6 }]);
  });

  it('charges an estimate, and settles it by what was used', async () => {
    const { headers } = await complete('Write 3 words');
    expect(headers['ratelimit']).toContain('"tokens";r=897;');
    expect(await left()).toBe(994);
  });

  it('lets an answer be longer than the estimate, and its user wait for it', async () => {
    for (let i = 0; i < 3; i++) expect((await complete('Write 300 words')).status).toBe(200);
    expect((await complete('Write 100 words more')).status).toBe(429);
    // 3 · 303 of 1000 are used, and 91 are too few for a prompt of 3 words.
    app.clock.advanceMs(720);
    expect((await complete('Write 300 words')).status).toBe(200);
    // All are used, and 200 more: 304 tokens of 60 ms have to come in for one of a word.
    const { status, headers } = await complete('More');
    expect([status, headers['retry-after']]).toEqual([429, '19']);
  });

  it('takes nothing for what the model is not asked', async () => {
    for (const prompt of [undefined, '', '  ', 7, ['Write']]) expect((await complete(prompt)).status).toBe(400);
    expect(await left()).toBe(1000);
  });

  it('refuses what is too long for ever, without telling a time', async () => {
    const { status, headers, body } = await complete('word '.repeat(901));
    expect(status).toBe(429);
    expect(headers).not.toHaveProperty('retry-after');
    expect((body as { message: string }).message).toContain('costs more than the limit ever allows');
    expect(await left()).toBe(1000);
  });

  it('does not let many requests at a time past the limit', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => complete('Write 100 words')));
    // 103 of 1000 are charged for each.
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9);
  });

  it('counts every user for itself, and knows no strangers', async () => {
    await statusesOf(5, () => complete('Write 300 words'));
    expect((await complete('Write', { token: 'bob-token' })).headers['ratelimit']).toContain('"tokens";r=899;');
    expect(await statusesOf(2, () => complete('Write', { token: 'eve-token' }))).toEqual(times(2, 401));
  });
});
