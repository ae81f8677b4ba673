import { Controller, type MessageEvent, Sse } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RateLimit, RateLimitModule, user } from 'nestjs-token-bucket';
import { type Observable, of } from 'rxjs';
import { members } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';
import { as, SignInGuard } from './support/sign-in.js';

let opened = 0;

@Controller()
class EventsController {
  @Sse('events')
  @RateLimit(1, 3600, { by: user() })
  events(): Observable<MessageEvent> {
    opened++;
    return of({ data: 'news' });
  }

  @Sse('both')
  @RateLimit(5, 3600, { name: 'perAddress' })
  @RateLimit(2, 3600, { name: 'perUser', by: user() })
  both(): Observable<MessageEvent> {
    return of({ data: 'news' });
  }
}

describe.each(LANES)('Event streams by user on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();

  // Nest sends the head of a stream about when interceptors run: what is decided after it can only be told as an event.
  it('are opened as often as the limit says; a refusal is a 429 or an error event, and tells no news', async () => {
    opened = 0;
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [EventsController],
      providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
    });
    expect(await (await get('/events', '203.0.113.1', as('ada'))).text()).toContain('data: news');
    const refused = await get('/events', '203.0.113.1', as('ada'));
    const text = await refused.text();
    expect(refused.status === 429 || /^event: error$/m.test(text)).toBe(true);
    expect(text).toContain('Rate limit exceeded');
    expect(text).not.toContain('news');
    expect(opened).toBe(1);
    expect(await (await get('/events', '203.0.113.1', as('bob'))).text()).toContain('data: news');
  });

  it('have at least the fields of what was charged before authentication', async () => {
    const { get } = await start({
      platform,
      imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
      controllers: [EventsController],
      providers: [{ provide: APP_GUARD, useClass: SignInGuard }],
    });
    const response = await get('/both', '203.0.113.1', as('ada'));
    expect(await response.text()).toContain('data: news');
    expect(members(response, 'RateLimit')).toMatchObject({ perAddress: { r: 4, t: 2880 } });
  });
});
