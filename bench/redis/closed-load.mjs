// Clients that ask again when they have an answer, so that as many requests are in flight as there are clients.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export class ClosedLoad {
  /** @type {{ beginMs: number, endMs: number, isDecided: boolean }[]} */
  requests = [];
  #isOver = false;
  #clients;
  #stalls = monitorEventLoopDelay({ resolution: 1 });

  /** @param {() => Promise<boolean>} ask whether the storage has decided */
  constructor(count, ask) {
    this.#clients = Array.from({ length: count }, () => this.#client(ask));
  }

  /** From now on requests are kept for {@link end}; those in flight, too. */
  begin() {
    this.requests = [];
    this.#stalls.enable();
  }

  /** @returns {Promise<number>} the longest stall of this process since the beginning, in milliseconds */
  async end() {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#stalls.disable();
    return this.#stalls.max / 1e6;
  }

  async #client(ask) {
    while (!this.#isOver) {
      const beginMs = performance.now();
      const isDecided = await ask();
      this.requests.push({ beginMs, endMs: performance.now(), isDecided });
      await sleep(1);
    }
  }
}
