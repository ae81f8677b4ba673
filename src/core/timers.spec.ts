import { AsyncLocalStorage } from 'node:async_hooks';
import { SystemTimers } from './timers.js';

describe('SystemTimers', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('acts once, when it is time', () => {
    const action = jest.fn();
    new SystemTimers().after(50, action, true);
    jest.advanceTimersByTime(49);
    expect(action).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1000);
    expect(action).toHaveBeenCalledTimes(1);
  });

  it('waits a whole millisecond for a part of one, as it is too early otherwise', () => {
    const action = jest.fn();
    new SystemTimers().after(49.001, action, true);
    jest.advanceTimersByTime(49);
    expect(action).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledTimes(1);
  });

  it('does not act when that was prevented', () => {
    const action = jest.fn();
    const prevent = new SystemTimers().after(50, action, false);
    prevent();
    jest.advanceTimersByTime(1000);
    expect(action).not.toHaveBeenCalled();
  });

  it('begins a delay of years with what Node can wait', () => {
    const action = jest.fn();
    new SystemTimers().after(1e12, action, false);
    jest.advanceTimersByTime(1000);
    expect(action).not.toHaveBeenCalled();
  });
});

it('a timer that is set in a request does not keep what the request knew', async () => {
  const requests = new AsyncLocalStorage<string>();
  const known = await new Promise<string | undefined>((resolve) => {
    requests.run('request 1', () => new SystemTimers().after(0, () => resolve(requests.getStore()), true));
  });
  expect(known).toBeUndefined();
});
