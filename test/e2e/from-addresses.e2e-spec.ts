import { Controller, Get } from '@nestjs/common';
import { everyone, fromAddresses, RateLimitConfigurationError, RateLimitModule } from 'nestjs-token-bucket';
import { stillStorage } from './support/admission.js';
import { type AppSettings, PLATFORMS, type RunningApp, startError } from './support/app.js';
import { useApps } from './support/lanes.js';

@Controller()
class HomeController {
  @Get()
  home(): string {
    return 'home';
  }
}

const INSIDE = ['10.0.0.0/8', '2001:db8::/32'];

const limited = (options = {}): Pick<AppSettings, 'imports' | 'controllers'> => ({
  imports: [
    RateLimitModule.forRoot({
      storage: stillStorage(),
      default: { capacity: 1, perSeconds: 60 },
      skipIf: fromAddresses(INSIDE),
      ...options,
    }),
  ],
  controllers: [HomeController],
});

const statuses = async (app: RunningApp, client: string): Promise<readonly number[]> => [
  (await app.get('/', client)).status,
  (await app.get('/', client)).status,
];

describe.each(PLATFORMS)('Freedom from limits by address on %s', (platform) => {
  const start = useApps();

  it.each(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8:1::7'])('is had by %s', async (client) => {
    const app = await start({ platform, ...limited() });
    expect(await statuses(app, client)).toEqual([200, 200]);
    expect((await app.get('/', client)).headers.has('ratelimit')).toBe(false);
  });

  it.each(['11.1.2.3', '::10.1.2.3', '2001:db9::7', 'unknown-to-the-proxy'])('is not had by %s', async (client) => {
    const app = await start({ platform, ...limited({ by: everyone() }) });
    expect(await statuses(app, client)).toEqual([200, 429]);
  });

  it('is not had by whoever writes such an address through a proxy that is not believed', async () => {
    const app = await start({ platform, trust: '192.0.2.1', ...limited() });
    expect(await statuses(app, '10.1.2.3')).toEqual([200, 429]);
  });

  it('is an error at start where every proxy is believed, whoever is limited', async () => {
    const error = await startError({ platform, trust: true, ...limited({ by: everyone() }) });
    expect(error).toBeInstanceOf(RateLimitConfigurationError);
    expect(error.message).toContain(
      'fromAddresses("10.0.0.0/8", "2001:db8::/32") goes by the client\'s address, but the application trusts every proxy',
    );
  });

  it('is had where every proxy is believed in so many words', async () => {
    const skipIf = fromAddresses(INSIDE, { trustAnyProxy: true });
    const app = await start({ platform, trust: true, ...limited({ by: everyone(), skipIf }) });
    expect(await statuses(app, '10.1.2.3')).toEqual([200, 200]);
  });
});
