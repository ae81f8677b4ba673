import { Controller, type ExecutionContext, Get, type Type } from '@nestjs/common';
import { type CostFunction, RateLimit, RateLimitModule, user } from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import type { RunningApp } from './support/app.js';
import { members } from './support/fields.js';
import { useApps } from './support/lanes.js';
import { KeptLog } from './support/logs.js';

/** What a function may find that is no cost, by the header that makes it find that. */
const NO_COSTS: Readonly<Record<string, unknown>> = {
  nothing: undefined,
  null: null,
  'no number': NaN,
  zero: 0,
  text: '2',
};
const NAMES = Object.keys(NO_COSTS);

function cost(context: ExecutionContext): number {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
  const name = headers['x-cost'];
  return name === undefined ? 1 : (NO_COSTS[name] as number);
}
const lateCost = (context: ExecutionContext) => Promise.resolve(cost(context));

const PATHS = ['own', 'group', 'tiers', 'shared', 'use', 'waiting', 'after'] as const;

function costsController(asked: CostFunction): Type {
  @Controller()
  class CostsController {
    @Get('own') @RateLimit(9, 3600, { cost: asked }) own(): string {
      return 'a limit of its own';
    }

    @Get('group') @RateLimit('9/hour; 9/day', { cost: asked }) group(): string {
      return 'a group';
    }

    @Get('tiers') @RateLimit({ tiers: { only: '9/hour' }, tier: () => 'only', cost: asked }) tiers(): string {
      return 'tiers';
    }

    @Get('shared') @RateLimit('dear') shared(): string {
      return 'a shared policy that says the cost';
    }

    @Get('use') @RateLimit('plain', { cost: asked }) use(): string {
      return 'a use that says the cost';
    }

    @Get('waiting')
    @RateLimit(9, 3600, { cost: asked, onExceeded: 'wait', maxWaitMs: 1 })
    waiting(): string {
      return 'a limit that is waited for';
    }

    @Get('after') @RateLimit(9, 3600, { cost: asked, by: user() }) after(): string {
      return 'a limit after authentication';
    }
  }
  return CostsController;
}

const startApp = useApps();
async function start(asked: CostFunction): Promise<RunningApp & { readonly log: KeptLog }> {
  const log = new KeptLog();
  const shared = { capacity: 9, perSeconds: 3600 };
  const app = await startApp({
    imports: [
      RateLimitModule.forRoot({
        storage: stillStorage(),
        policies: { dear: { ...shared, cost: asked }, plain: shared },
      }),
    ],
    controllers: [costsController(asked)],
    configure: (nest) => nest.useLogger(log),
  });
  return { ...app, log };
}

describe.each([
  ['at once', cost],
  ['later', lateCost],
])('A function that gives no cost %s', (_when, asked) => {
  it.each(PATHS)('is a 500 that charges nothing: %s', async (path) => {
    const { get } = await start(asked);
    for (const name of NAMES) {
      const failed = await get(`/${path}`, undefined, { headers: { 'x-cost': name } });
      expect([name, failed.status]).toEqual([name, 500]);
    }
    const left = Object.values(members(await get(`/${path}`), 'RateLimit')).map(({ r }) => r);
    expect(new Set(left)).toEqual(new Set([8]));
  });

  it.each([
    ['own', '@RateLimit on CostsController.own'],
    ['shared', 'RateLimitModule.forRoot policies.dear'],
    ['use', '@RateLimit on CostsController.use'],
    ['after', '@RateLimit on CostsController.after'],
  ])('is told of with the place, the value and a remedy: %s', async (path, place) => {
    const { get, log } = await start(asked);
    for (const name of ['nothing', 'text']) await get(`/${path}`, undefined, { headers: { 'x-cost': name } });
    const told = ['undefined', '"2"'].map(
      (value) =>
        `error [ExceptionsHandler] ${place}: cost gave ${value} for CostsController.${path}; expected a whole number ` +
        'of tokens, at least 1. Remedy: make it give one whatever it is asked with.',
    );
    expect(log.of('ExceptionsHandler')).toEqual(told);
  });
});
