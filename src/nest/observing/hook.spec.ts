import { setImmediate as turn } from 'node:timers/promises';
import { Hook } from './hook.js';

/** What a hook may do to be a nuisance. */
const NUISANCES: readonly (readonly [what: string, hook: () => unknown, said: string])[] = [
  [
    'throws',
    () => {
      throw new Error('no database');
    },
    'hooks.onDenied failed: no database.',
  ],
  ['rejects', () => Promise.reject(new Error('no database')), 'hooks.onDenied failed: no database.'],
  [
    'throws what is no error',
    () => {
      throw Object.create(null);
    },
    'hooks.onDenied failed: object.',
  ],
  [
    'answers with something that rejects when it is awaited',
    // oxlint-disable-next-line unicorn/no-thenable -- queries that run when awaited are such objects
    () => ({ then: (_ok: unknown, no: (error: Error) => void) => no(new Error('late')) }),
    'hooks.onDenied failed: late.',
  ],
  [
    'answers with something that cannot be looked at',
    () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- the least that can be done to whoever looks
      get then() {
        throw new Error('hands off');
      },
    }),
    'hooks.onDenied failed: hands off.',
  ],
];

describe('Hook', () => {
  it.each(NUISANCES)('that %s is in the log once, and nowhere else', async (_what, hook, said) => {
    const lines: unknown[] = [];
    const told = new Hook('hooks.onDenied', hook, { error: (line: unknown) => lines.push(line) });
    for (let i = 0; i < 3; i++) {
      expect(told.tell(i)).toBeUndefined();
      await turn();
    }
    expect(lines).toEqual([`${said} No answer depends on it. This is said once.`]);
  });

  it('goes on being told after it has failed, and is not waited for', () => {
    const events: number[] = [];
    const hook = (event: number) => {
      events.push(event);
      if (event === 0) throw new Error('the first time');
      return new Promise(() => {});
    };
    const told = new Hook('hooks.onAllowed', hook, { error: () => {} });
    for (let i = 0; i < 3; i++) told.tell(i);
    expect(events).toEqual([0, 1, 2]);
  });
});
