import type { Decision } from '../../core/decision.js';
import { outsideRequests } from '../../core/outside-requests.js';
import { ownCopy } from '../../core/own-copy.js';
import { retryAfterSeconds } from '../headers/retry-after.js';
import { TopCounts } from './top-counts.js';

/** Lines of an interval beside its summary, however many clients there are. */
const MOST_FIRST_LINES = 10;
const MOST_CLIENTS = 10_000;
const MOST_COUNTED = 1000;
const TOP = 5;

/**
 * Tells of clients that are denied, each when it begins and all of them once per interval, in a number of lines and in
 * memory that nobody can raise by sending more. The interval begins with a denial, and nothing goes on without one.
 */
export class DenialLog {
  private denials = 0;
  private told = 0;
  /** Those who were denied in this interval and in the one before. */
  private clients = new Set<string>();
  private earlier = new Set<string>();
  private readonly countsByClient = new TopCounts(MOST_COUNTED);
  private readonly countsByRoute = new TopCounts(MOST_COUNTED);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly intervalSeconds: number,
    private readonly write: (line: string) => void,
  ) {}

  /** @param client a label, never a subject. */
  add(client: string, route: string, decision: Decision): void {
    this.denials++;
    this.countsByClient.add(client);
    this.countsByRoute.add(route);
    if (this.isNew(client) && this.told < MOST_FIRST_LINES) {
      this.told++;
      this.write(firstLine(client, route, decision));
    }
    if (this.timer === undefined) this.startTimer();
  }

  /** What has not been told yet, at once; for when the application ends. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.end('before the application ended');
    this.earlier.clear();
  }

  private isNew(client: string): boolean {
    if (this.clients.has(client) || this.clients.size >= MOST_CLIENTS) return false;
    this.clients.add(ownCopy(client));
    return !this.earlier.has(client);
  }

  private startTimer(): void {
    this.timer = outsideRequests(() => setTimeout(this.onTime, this.intervalSeconds * 1000)).unref();
  }

  private readonly onTime = (): void => {
    this.timer = undefined;
    const isOver = this.denials === 0;
    this.end(`in ${this.intervalSeconds} s`);
    // One interval more, after which who is denied again is told of again.
    if (!isOver) this.startTimer();
  };

  private end(when: string): void {
    // What the lines of single clients have told already needs no summary.
    if (this.denials > this.told) this.write(this.summary(when));
    this.earlier = this.clients;
    this.clients = new Set();
    this.denials = 0;
    this.told = 0;
    this.countsByClient.clear();
    this.countsByRoute.clear();
  }

  private summary(when: string): string {
    const { size } = this.clients;
    const clients = `${size >= MOST_CLIENTS ? 'at least ' : ''}${counted(size, 'client')}`;
    return (
      `Denied ${when}: ${counted(this.denials, 'request')} of ${clients}.` +
      `${listed('Clients', this.countsByClient)}${listed('Routes', this.countsByRoute)}`
    );
  }
}

function firstLine(client: string, route: string, decision: Decision): string {
  const { name, quota, quotaSeconds } = decision.mostRestrictive.policy;
  const reason = decision.isBlocked ? 'because it is blocked' : `by "${name}" (${quota} per ${quotaSeconds} s)`;
  return `Denied: ${client} at ${route} ${reason}, ${waitOf(decision)}.`;
}

function waitOf(decision: Decision): string {
  const seconds = retryAfterSeconds(decision);
  if (seconds !== undefined) return `retry after ${seconds} s`;
  return decision.isBlocked ? 'until that is lifted' : 'it costs more than the limit ever allows';
}

/** In a flood of others, those that are left with one by chance say nothing. */
function listed(title: string, counts: TopCounts): string {
  const atLeast = counts.areLowered ? 'at least ' : '';
  const top = counts.top(TOP).filter(([, count]) => count > 1 || !counts.areLowered);
  return top.length === 0 ? '' : ` ${title}: ${top.map(([key, count]) => `${key} ${atLeast}${count}`).join(', ')}.`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
