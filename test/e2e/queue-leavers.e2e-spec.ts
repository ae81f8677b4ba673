import { once } from 'node:events';
import { request } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { everyone, RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { members, remaining } from './support/fields.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

const HOUR_MS = 3_600_000;
const TRIES = 5;

/** The statuses that the rule of the limit beside the line was told. */
let heard: number[] = [];
beforeEach(() => (heard = []));

/** A line with room for one, beside a limit that is asked first. */
@Controller('queue')
class QueueController {
  @Get()
  @RateLimit(TRIES, 3600, {
    name: 'tries',
    refundIf: ({ status }) => {
      heard.push(status);
      return status !== 200;
    },
  })
  @RateLimit(1, 3600, { name: 'line', onExceeded: 'wait', maxWaitMs: HOUR_MS })
  queue(): string {
    return 'in an hour';
  }
}

const start = useApps();

describe.each(LANES)('A client that leaves a line again and again on $platform with $storage', (lane) => {
  it('gets its place back each time, pays for the limit beside it, and is refused by that in the end', async () => {
    const storage = makeStorage(lane.storage);
    const asked = jest.spyOn(storage, 'consume');
    const givenBack = jest.spyOn(storage, 'cancel');
    const app = await start({
      platform: lane.platform,
      imports: [RateLimitModule.forRoot({ storage, by: everyone() })],
      controllers: [QueueController],
    });
    const first = await app.get('/queue');
    expect([first.status, remaining(first, 'tries')]).toEqual([200, TRIES - 1]);

    for (let left = 1; left < TRIES; left++) {
      // Not by fetch, which opens a connection for the next request when one is given up, and closing waits for that.
      const leaver = request(`${app.url}/queue`, { agent: false }).end();
      // Of every request both limits are asked, the line last.
      while (asked.mock.results.length < 2 * (1 + left)) await turn();
      expect(await asked.mock.results.at(-1)!.value).toMatchObject({ allowed: true });
      leaver.destroy();
      await expect(once(leaver, 'response')).rejects.toThrow('socket hang up');
      while (givenBack.mock.results.length < left) await turn();
      expect(await givenBack.mock.results.at(-1)!.value).toBe(true);
    }

    const refused = await app.get('/queue');
    expect([refused.status, members(refused, 'RateLimit')]).toEqual([
      429,
      { tries: { r: 0, t: expect.any(Number) as number } },
    ]);
    // It was not let into the line.
    expect(asked).toHaveBeenCalledTimes(2 * TRIES + 1);
    expect(heard).toEqual([200]);
  });
});
