import { Logger } from '@nestjs/common';
import { type SampleApp, startWithClock, statusesOf, times } from './sample-app.js';

describe('TRUST_PROXY', () => {
  let app: SampleApp;
  afterEach(() => app.close());

  let address = 0;
  const data = () => app.send('get', '/data', { address: `203.0.113.${++address}` });

  it('unset, believes nobody: all forwarded requests count for the connection', async () => {
    const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    app = await startWithClock('');
    expect(await statusesOf(12, data)).toEqual([...times(10, 200), 429, 429]);
    expect(warnings.mock.calls.map(([line]) => line as string)).toEqual([
      expect.stringContaining('is not a trusted proxy'),
      expect.stringMatching(/^Denied: ip:127\.0\.0\.1 at DataController\./),
    ]);
    warnings.mockRestore();
  });

  it.each(['loopback', '127.0.0.1, 10.0.0.0/8', '1'])('of %j believes the proxy', async (variable) => {
    app = await startWithClock(variable);
    expect(await statusesOf(12, data)).toEqual(times(12, 200));
  });

  it.each(['loopback', '1'])('of %j believes no more than the address that the proxy adds', async (variable) => {
    app = await startWithClock(variable);
    const forged = () => app.send('get', '/data', { address: `198.51.100.${++address}, 203.0.113.7` });
    expect(await statusesOf(12, forged)).toEqual([...times(10, 200), 429, 429]);
  });
});

describe('TRUST_PROXY that would believe everybody', () => {
  it.each(['true', '*', '0.0.0.0/0'])('of %j keeps the application from starting', async (variable) => {
    await expect(startWithClock(variable)).rejects.toThrow(/invalid (IP address|range)|trusts every proxy/);
  });
});
