import type { Policy } from '../policy.js';
import type { SlidingWindow } from './sliding-window.js';
import { WindowCounters } from './sliding-window-counter.js';
import { ChargeLog } from './sliding-window-log.js';

/** An empty window of the policy's kind. */
export function newWindow({ algorithm }: Policy): SlidingWindow {
  return algorithm === 'sliding-window-log' ? new ChargeLog() : new WindowCounters();
}
