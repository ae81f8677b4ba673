import { AsyncResource } from 'node:async_hooks';

/** Timers and sockets keep the async context they are made in; made in this one, they keep no request alive. */
const noRequest = new AsyncResource('RateLimit');

/** Runs `action` in the async context of the start of the process instead of that of the current request. */
export function outsideRequests<T>(action: () => T): T {
  return noRequest.runInAsyncScope(action);
}
