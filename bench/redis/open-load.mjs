// Requests that arrive at a steady rate whether or not the ones before are answered, as those of clients do.
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../support/measure.mjs';

export class OpenLoad {
  /** @type {{ subject: string, beginMs: number, endMs: number | undefined, outcome: string }[]} */
  requests = [];
  mostPending = 0;
  #pending = 0;
  #isOver = false;
  #arrivals;

  /**
   * @param {(subject: string) => Promise<boolean>} decide whether the request was allowed; rejects when nobody can say
   * @param {Iterator<string>} subjects a new one for each request
   */
  constructor(decide, subjects, perSecond) {
    this.#arrivals = this.#arrive(decide, subjects, perSecond);
  }

  /** Lets nobody else arrive. */
  async end() {
    this.#isOver = true;
    await this.#arrivals;
  }

  /** Of those asked since, or not answered by then: what became of them. */
  figuresSince(faultMs) {
    const concerned = this.requests.filter(({ endMs = Infinity }) => endMs >= faultMs);
    const after = concerned.filter(({ beginMs }) => beginMs >= faultMs);
    const nowMs = performance.now();
    const tookMs = concerned.map(({ beginMs, endMs = nowMs }) => endMs - beginMs);
    const count = (wanted) => concerned.filter(({ outcome }) => outcome === wanted).length;
    const decided = after.filter(({ outcome }) => outcome === 'allowed' || outcome === 'denied');
    return {
      awayMs: decided.reduce((first, { endMs }) => Math.min(first, endMs), Infinity) - faultMs,
      medianMs: percentile(tookMs, 50),
      p99Ms: percentile(tookMs, 99),
      worstMs: percentile(tookMs, 100),
      mostPending: this.mostPending,
      asked: concerned.length,
      allowed: count('allowed'),
      denied: count('denied'),
      failed: count('failed'),
      unanswered: count('pending'),
    };
  }

  async #arrive(decide, subjects, perSecond) {
    const startMs = performance.now();
    while (!this.#isOver) {
      const due = ((performance.now() - startMs) / 1000) * perSecond;
      while (this.requests.length < due) void this.#ask(decide, subjects.next().value);
      await sleep(1);
    }
  }

  async #ask(decide, subject) {
    const request = { subject, beginMs: performance.now(), endMs: undefined, outcome: 'pending' };
    this.requests.push(request);
    this.mostPending = Math.max(this.mostPending, ++this.#pending);
    try {
      request.outcome = (await decide(subject)) ? 'allowed' : 'denied';
    } catch {
      request.outcome = 'failed';
    }
    this.#pending--;
    request.endMs = performance.now();
  }
}
