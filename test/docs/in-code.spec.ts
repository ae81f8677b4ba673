import type { NestInterceptor, Type } from '@nestjs/common';
import { MemoryStorage, Policy, RateLimiter, StorageFailureError } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { as, asController, closeApps, failWith, type RunningApp, startApp } from './support/application.js';
import { blockWith } from './support/markdown.js';
import { blocksNotRun, runBlock, runWith } from './support/run-block.js';

const FILE = 'docs/in-code.md';
afterEach(closeApps);

/** What nobody could count just now. */
const AWAY = { consume: () => Promise.reject(new StorageFailureError('away')) };

describe('docs/in-code.md', () => {
  interface Notifications {
    send(recipient: string, text: string): Promise<boolean>;
    mailsLeft(recipient: string): Promise<number>;
    forget(recipient: string): Promise<void>;
  }

  it('has a service that consumes, peeks, refunds and resets', async () => {
    const { NotificationsModule, Notifications, Mailer } = await runBlock<Record<string, Type>>(
      blockWith('class Notifications', FILE),
    );
    const { app, clock } = await startApp({ modules: [] }, { root: NotificationsModule });
    const sent: string[] = [];
    Object.assign(app.get<object>(Mailer!), {
      async send(recipient: string): Promise<void> {
        if (recipient === 'nobody') throw new Error('no such recipient');
        sent.push(recipient);
      },
    });
    const notifications = app.get<Notifications>(Notifications!);

    for (let i = 0; i < 3; i++) expect(await notifications.send('ada', 'Hello')).toBe(true);
    expect(await notifications.send('ada', 'Hello')).toBe(false);
    expect(sent).toEqual(['ada', 'ada', 'ada']);

    clock.advanceMs(20_000);
    expect(await notifications.mailsLeft('ada')).toBe(1);
    await notifications.forget('ada');
    expect(await notifications.mailsLeft('ada')).toBe(3);

    for (let i = 0; i < 5; i++) await expect(notifications.send('nobody', 'Hello')).rejects.toThrow('no such');
    expect(await notifications.mailsLeft('nobody')).toBe(3);
  });

  it('has a budget that downloads and jobs share', async () => {
    const { exports } = await runWith(blockWith("@RateLimit('traffic')", FILE));
    const failsOnRequest: NestInterceptor['intercept'] = (context, next) =>
      context.switchToHttp().getRequest().headers['x-fail'] === undefined ? next.handle() : failWith(502);
    const app = await startApp(
      { modules: [] },
      {
        root: exports['FilesModule'],
        prepare: (made) => made.useGlobalInterceptors({ intercept: failsOnRequest }),
      },
    );
    const backups = app.app.get<{ mayRun(userId: number, bytes: number): Promise<boolean> }>(exports['Backups']!);
    const read = async (fields: object = {}) => {
      const { status, headers } = await app.get('/files', { ...as({ id: 42 }), ...fields });
      return [status, headers['x-ratelimit-remaining']];
    };
    const { headers } = await app.get('/files', as({ id: 42 }));
    expect(headers['ratelimit-policy']).toBe('"traffic";q=500000;qu="content-bytes";w=3600');
    expect(headers['x-ratelimit-remaining']).toBe('400000');
    expect(await read({ 'x-fail': '1' })).toEqual([502, '375000']);
    expect(await read()).toEqual([200, '375000']);
    expect(await backups.mayRun(42, 450_001)).toBe(false);
    expect(await backups.mayRun(42, 450_000)).toBe(true);
    const refused = await app.get('/files', as({ id: 42 }));
    expect(refused.body.message).toBe('The traffic of this hour is used up. Retry in 3600 seconds.');
    expect(await backups.mayRun(43, 500_000)).toBe(true);
  });

  it('has a question about two policies that says which one refused', async () => {
    const block = blockWith("policy: 'jobs', subject: 'user:42', cost: 2", FILE);
    const limiter = limiterOf(
      { name: 'jobs', capacity: 2, perSeconds: 60 },
      { name: 'exports', capacity: 9, perSeconds: 60 },
    );
    await runWith(block, { given: { limiter } });
    await expect(runWith(block, { given: { limiter } })).rejects.toThrow('Come back in 60000 ms (jobs).');
  });

  it('has a group that is asked as one, and says which of its limits refused', async () => {
    const { exports } = await runWith(blockWith('class Invitations', FILE));
    const { app } = await startApp({ modules: [] }, { root: exports['InvitationsModule'] });
    const invitations = app.get<{ invite(team: string, addresses: readonly string[]): Promise<string> }>(
      exports['Invitations']!,
    );
    const addresses = Array.from({ length: 6 }, () => 'ada@example.org');
    expect(await invitations.invite('7', addresses)).toBe('Sent. 4 are left.');
    expect(await invitations.invite('7', addresses)).toBe('Refused by invitations.minute.');
    expect(await invitations.invite('8', addresses)).toBe('Sent. 4 are left.');
  });

  it('has tiers, whose policies code finds by the name of the tier', async () => {
    let app: RunningApp | undefined;
    const limiter = { peek: (charge: never) => app!.app.get(RateLimiter).peek(charge) };
    const { modules, exports } = await runWith<{
      ApiController: Type;
      left(userId: number, plan: string): Promise<number>;
    }>(blockWith('policy: `plan.', FILE), { names: ['left'], given: { limiter } });
    app = await startApp({ modules }, { controllers: [asController('api', exports.ApiController)] });
    for (let i = 0; i < 3; i++) await app.get('/api', as({ id: 42 }));
    await app.get('/api', as({ id: 42, plan: 'pro' }));
    expect([await exports.left(42, 'free'), await exports.left(42, 'pro')]).toEqual([57, 999]);
    expect([await exports.left(43, 'free'), await exports.left(43, 'pro')]).toEqual([60, 1000]);
  });

  it('has a group of a limiter that was made by hand', async () => {
    const { decision, limiter } = await runBlock<{ decision: { remaining: number }; limiter: RateLimiter }>(
      blockWith('groups: new Map', FILE),
      'decision',
      'limiter',
    );
    expect(decision.remaining).toBe(8);
    expect((await limiter.peek({ policy: 'calls.hour', subject: 'team:7' })).remaining).toBe(998);
  });

  it('has a job that is corrected in both directions, and given back when it fails', async () => {
    const { Reports } = await runBlock<{
      Reports: new (limiter: RateLimiter) => { make(customer: string): Promise<number> };
    }>(blockWith('limiter.settle(', FILE));
    const limiter = limiterOf({ name: 'rows', capacity: 10_000, perSeconds: 3600, maxDebt: 5000 });
    const left = async () => (await limiter.peek({ policy: 'rows', subject: 'customer:7' })).remaining;
    const reports = new Reports(limiter);
    const build = jest.spyOn(reports as unknown as { build(): Promise<unknown[]> }, 'build');
    build.mockResolvedValueOnce(Array.from({ length: 200 }));
    expect(await reports.make('7')).toBe(200);
    expect(await left()).toBe(9800);
    build.mockResolvedValueOnce(Array.from({ length: 4800 }));
    await reports.make('7');
    expect(await left()).toBe(5000);
    build.mockRejectedValueOnce(new Error('no database'));
    await expect(reports.make('7')).rejects.toThrow('no database');
    expect(await left()).toBe(5000);
    build.mockResolvedValueOnce(Array.from({ length: 9000 }));
    await reports.make('7');
    await expect(reports.make('7')).rejects.toThrow(/in 18\d\d seconds/);
  });

  it('has a job that goes on where nobody can count', async () => {
    const block = blockWith('mayStart', FILE);
    const startWith = async (limiter: object) => {
      const { exports } = await runWith<{ mayStart(job: string): Promise<boolean> }>(block, {
        names: ['mayStart'],
        given: { limiter },
      });
      return exports.mayStart('7');
    };
    expect(await startWith(AWAY)).toBe(true);
    const limiter = limiterOf({ name: 'jobs', capacity: 1, perSeconds: 60 });
    expect([await startWith(limiter), await startWith(limiter)]).toEqual([true, false]);
    await expect(startWith({ consume: () => Promise.reject(new Error('a mistake')) })).rejects.toThrow('a mistake');
  });

  it('has a limiter without Nest', async () => {
    const block = blockWith('new RateLimiter(new MemoryStorage(), [jobs])', FILE);
    const { limiter } = await runBlock<{ readonly limiter: RateLimiter }>(block, 'limiter');
    expect(await limiter.peek({ policy: 'jobs', subject: 'user:42' })).toMatchObject({ remaining: 4 });
  });

  it('has a policy with all that it may say', async () => {
    const { exports } = await runWith<{ uploads: Policy }>(blockWith("name: 'uploads'", FILE), { names: ['uploads'] });
    const { uploads } = exports;
    expect(uploads).toMatchObject({ id: 'Backups/uploads', capacity: 10_000_000, maxDebt: 1_000_000 });
    const clock = new ManualClock();
    const limiter = new RateLimiter(new MemoryStorage({ clock }));
    const take = async (cost: number) => limiter.consume({ policy: uploads, subject: 'user:42', cost });
    expect((await take(10_000_000)).remaining).toBe(0);
    const refused = await take(1);
    expect([refused.retryAfterMs, refused.mostRestrictive.policy.message]).toEqual([60_000, 'Too much was uploaded']);
    clock.advanceMs(59_999);
    expect((await take(1)).allowed).toBe(false);
    clock.advanceMs(1);
    expect((await take(1)).remaining).toBe(999_999);
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});

function limiterOf(...definitions: readonly ConstructorParameters<typeof Policy>[0][]): RateLimiter {
  const storage = new MemoryStorage({ clock: new ManualClock() });
  return new RateLimiter(
    storage,
    definitions.map((definition) => new Policy(definition)),
  );
}
