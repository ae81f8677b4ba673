import type { IncomingMessage } from 'node:http';
import { Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import {
  Decision,
  RateLimit,
  RateLimitDecision,
  RateLimitModule,
  type RateLimitModuleOptions,
  SkipRateLimit,
  user,
} from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { PLATFORMS } from './support/app.js';
import { useApps } from './support/lanes.js';

const summary = (decision: Decision | undefined): unknown =>
  decision === undefined
    ? 'no decision'
    : {
        allowed: decision.allowed,
        policies: decision.policies.map((one) => [one.policy.name, one.subject, one.cost, one.remaining]),
        remaining: decision.remaining,
        retryAfterMs: decision.retryAfterMs,
        resetAfterMs: decision.resetAfterMs,
        receipts: decision.receipts.length,
      };

@Controller('decisions')
class DecisionsController {
  @Get('guard') @RateLimit(10, 60, { cost: 2 }) guard(@RateLimitDecision() decision?: Decision): unknown {
    return summary(decision);
  }

  @Get('interceptor')
  @RateLimit(4, 60, { by: user() })
  interceptor(@RateLimitDecision() decision?: Decision): unknown {
    return summary(decision);
  }

  @Get('both')
  @RateLimit(4, 60, { name: 'of-user', by: user() })
  @RateLimit(10, 60, { name: 'of-address' })
  both(@RateLimitDecision() decision?: Decision): unknown {
    return summary(decision);
  }

  @Get('skipped') @SkipRateLimit() skipped(@RateLimitDecision() decision?: Decision): unknown {
    return summary(decision);
  }

  @Get('bare') bare(@RateLimitDecision() decision?: Decision): unknown {
    return summary(decision);
  }
}

describe.each(PLATFORMS)('@RateLimitDecision() on %s', (platform) => {
  const start = useApps();
  const startDecisions = (options: RateLimitModuleOptions = {}) =>
    start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: stillStorage(), ...options })],
      controllers: [DecisionsController],
      configure: (app: INestApplication) => {
        app.useGlobalGuards({
          canActivate(context) {
            const request = context.switchToHttp().getRequest<IncomingMessage & { user?: unknown }>();
            request.user = { id: 42 };
            return true;
          },
        });
      },
    });
  const answer = async (path: string, options?: RateLimitModuleOptions): Promise<unknown> => {
    const { get } = await startDecisions(options);
    const response = await get(`/decisions/${path}`);
    expect(response.status).toBe(200);
    const text = await response.text();
    return text.startsWith('{') ? JSON.parse(text) : text;
  };

  it('hands over what was decided before authentication', async () => {
    expect(await answer('guard')).toEqual({
      allowed: true,
      policies: [['default', 'ip:203.0.113.1', 2, 8]],
      remaining: 8,
      retryAfterMs: 0,
      resetAfterMs: 12_000,
      receipts: 1,
    });
  });

  it('hands over what was decided after authentication', async () => {
    expect(await answer('interceptor')).toEqual({
      allowed: true,
      policies: [['default', 'user:42', 1, 3]],
      remaining: 3,
      retryAfterMs: 0,
      resetAfterMs: 15_000,
      receipts: 1,
    });
  });

  it('hands over both as one, in the order in which they were charged', async () => {
    expect(await answer('both', { default: { capacity: 20, perSeconds: 60 } })).toEqual({
      allowed: true,
      policies: [
        ['default', 'ip:203.0.113.1', 1, 19],
        ['of-address', 'ip:203.0.113.1', 1, 9],
        ['of-user', 'user:42', 1, 3],
      ],
      remaining: 3,
      retryAfterMs: 0,
      resetAfterMs: 15_000,
      receipts: 2,
    });
  });

  it('hands over nothing on a route without limits', async () => {
    expect(await answer('bare')).toBe('no decision');
    expect(await answer('skipped', { default: { capacity: 20, perSeconds: 60 } })).toBe('no decision');
  });
});

describe('What decorators leave on their targets', () => {
  const KEYS = ['nestjs-token-bucket:limits', 'nestjs-token-bucket:skips'] as const;
  const own = (target: object): unknown[] => KEYS.map((key) => Reflect.getOwnMetadata(key, target));
  const ownOfList = (type: Type): unknown[] =>
    KEYS.map((key) => Reflect.getOwnMetadata(key, type.prototype as object, 'list'));
  const limit = (capacity: number, name?: string) => ({
    kind: 'own',
    definition: { capacity, perSeconds: 60, ...(name === undefined ? {} : { name }) },
  });

  it('is a list of their own, from top to bottom as written', () => {
    @RateLimit(1, 60)
    @RateLimit('exports', { cost: 2 })
    @RateLimit({ capacity: 3, perSeconds: 60, name: 'third' })
    @SkipRateLimit('burst', 'hourly')
    @SkipRateLimit()
    class Target {}
    expect(own(Target)).toEqual([
      [limit(1), { kind: 'shared', policyName: 'exports', use: { cost: 2 } }, limit(3, 'third')],
      [['burst', 'hourly'], 'all'],
    ]);
  });

  it('never reaches the list of the class that a target extends', () => {
    @RateLimit(1, 60)
    @SkipRateLimit('burst')
    class Parent {
      @RateLimit(2, 60) list(): void {}
    }
    const before = own(Parent);
    @RateLimit(3, 60, { name: 'third' })
    @SkipRateLimit('hourly')
    class Child extends Parent {
      @RateLimit(4, 60) override list(): void {}
    }
    class Sibling extends Parent {}

    expect(own(Parent)).toEqual(before);
    expect(own(Parent)).toEqual([[limit(1)], [['burst']]]);
    expect(own(Child)).toEqual([[limit(3, 'third')], [['hourly']]]);
    expect(own(Sibling)).toEqual([undefined, undefined]);
    expect(ownOfList(Parent)).toEqual([[limit(2)], undefined]);
    expect(ownOfList(Child)).toEqual([[limit(4)], undefined]);
  });

  it('does not change when the object that a limit was written with changes later', () => {
    const definition = { capacity: 5, perSeconds: 60 };
    @RateLimit(definition)
    class Target {}
    definition.capacity = 50;
    expect(own(Target)).toEqual([[limit(5)], undefined]);
  });
});
