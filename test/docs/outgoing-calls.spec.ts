import { Module, type Type } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import { MemoryStorage, Policy, PolicyLimiter, RateLimiter, RateLimitModule } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { closeApps, type RunningApp, startApp } from './support/application.js';
import { blockWith } from './support/markdown.js';
import { blocksNotRun, runBlock, runWith } from './support/run-block.js';

const FILE = 'docs/outgoing-calls.md';
afterEach(closeApps);

/** Whoever answers for somebody else's API. */
const given = { fetch: (url: string) => Promise.resolve({ text: () => `an answer to ${url}` }) };

interface Carrier {
  track(parcel: string): Promise<unknown>;
  labelOf(parcel: string): Promise<unknown>;
}

const leftOf = async ({ app }: RunningApp, policy: string, subject: string): Promise<number> =>
  (await app.get(RateLimiter).peek({ policy, subject })).remaining;

/** A limiter that nobody has asked yet, by a clock that stands still. */
function limiterOf(capacity: number, perSeconds: number): PolicyLimiter {
  const limiter = new RateLimiter(new MemoryStorage({ clock: new ManualClock() }));
  return new PolicyLimiter(limiter, new Policy({ name: 'mails', capacity, perSeconds }));
}

describe('docs/outgoing-calls.md', () => {
  it('has calls that take a token each, in either way', async () => {
    const { exports } = await runWith(blockWith('class ShipmentsModule', FILE), { given });
    const app = await startApp({ modules: [] }, { root: exports['ShipmentsModule'] });
    const carrier = app.app.get<Carrier>(exports['Carrier']!);
    await carrier.track('7');
    expect(await leftOf(app, 'carrier', 'everyone')).toBe(3);
    await carrier.labelOf('7');
    expect(await leftOf(app, 'carrier', 'everyone')).toBe(2);
  });

  it('has calls of a tenant that pay what they say, as long as nobody gives up', async () => {
    const policyLimiter = limiterOf(10, 60);
    const { exports } = await runWith<{
      sendAll(tenant: string, mails: readonly string[], signal: AbortSignal): Promise<number>;
    }>(blockWith('function sendAll', FILE), { names: ['sendAll'], given: { policyLimiter } });
    const patient = new AbortController().signal;
    expect(await exports.sendAll('a', ['1', '2', '3'], patient)).toBe(3);
    const left = async (tenant: string) => (await policyLimiter.peek(`tenant:${tenant}`)).remaining;
    expect([await left('a'), await left('b')]).toEqual([7, 10]);
    await expect(exports.sendAll('a', ['4'], AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(await left('a')).toBe(7);
    // Of 11 the bucket would never be full enough.
    await expect(exports.sendAll('b', Array<string>(11).fill('x'), patient)).rejects.toThrow('11');
  });

  it('has a method that pays by its arguments', async () => {
    const { Mailings } = await runBlock<Record<string, Type>>(blockWith('class Mailings', FILE));
    @Module({
      imports: [RateLimitModule.forRoot({ policies: { mails: { capacity: 10, perSeconds: 60 } } })],
      providers: [Mailings!],
    })
    class MailingsModule {}
    const app = await startApp({ modules: [] }, { root: MailingsModule });
    const mailings = app.app.get<{
      send(tenant: string, recipients: readonly string[], signal: AbortSignal, text: string): Promise<void>;
    }>(Mailings!);
    await mailings.send('a', ['ada', 'eve', 'bob'], new AbortController().signal, 'Hello');
    expect(await leftOf(app, 'mails', 'tenant:a')).toBe(7);
    expect(await leftOf(app, 'mails', 'tenant:b')).toBe(10);
    const sent = mailings.send('a', ['ada'], AbortSignal.abort(new Error('gone')), 'Hello');
    await expect(sent).rejects.toThrow('gone');
    expect(await leftOf(app, 'mails', 'tenant:a')).toBe(7);
  });

  it('says when to ask again', async () => {
    // A token every two seconds: both of the third call are there after four, and it waits for two.
    const { exports } = await runWith<{ whenToAskAgain(): Promise<number> }>(blockWith('whenToAskAgain', FILE), {
      names: ['whenToAskAgain'],
      given: { policyLimiter: limiterOf(4, 8) },
    });
    expect([await exports.whenToAskAgain(), await exports.whenToAskAgain()]).toEqual([0, 0]);
    expect(await exports.whenToAskAgain()).toBe(2000);
  });

  it('has routes that take from the bucket of the calls', async () => {
    const { exports } = await runWith(blockWith('class ParcelsController', FILE));
    const app = await startApp({ modules: [] }, { root: exports['ParcelsModule'] });
    for (const left of [3, 2, 1, 0]) expect((await app.get('/parcels')).text).toBe(String(left));
    const { allowed } = await app.app.get(RateLimiter).consume({ policy: 'carrier', subject: 'everyone' });
    expect(allowed).toBe(false);
  });

  it('asks within both of two limits, or is told when to come back', async () => {
    const { exports } = await runWith(blockWith('class Maps', FILE), { given });
    const app = await startApp({ modules: [] }, { root: exports['MapsModule'] });
    const maps = app.app.get<{ find(address: string): Promise<string | number> }>(exports['Maps']!);
    for (let i = 0; i < 10; i++) {
      expect(await maps.find('Elm Street')).toBe('an answer to https://maps.example/?q=Elm%20Street');
    }
    expect(await maps.find('Elm Street')).toBe(100);
    expect(await leftOf(app, 'maps.hour', 'everyone')).toBe(990);
  });

  it('has a test with a limiter that never waits', async () => {
    const { exports } = await runWith(blockWith('class ShipmentsModule', FILE), { given });
    const block = blockWith('overrideProvider(getRateLimiterToken', FILE);
    const replaced = await runWith<{ asked: readonly string[]; testing: TestingModule }>(block, {
      names: ['asked', 'testing'],
      given: { AppModule: exports['ShipmentsModule'] },
    });
    const carrier = replaced.exports.testing.get<Carrier>(exports['Carrier']!);
    for (let i = 0; i < 10; i++) await carrier.track('7');
    for (let i = 0; i < 10; i++) await carrier.labelOf('7');
    expect(replaced.exports.asked).toEqual(Array<string>(10).fill('everyone'));
    await replaced.exports.testing.close();
  });

  it('was run as a whole by the tests above', () => expect(blocksNotRun(FILE)).toEqual([]));
});
