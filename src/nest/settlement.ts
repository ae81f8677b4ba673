import { type ExecutionContext, HttpException, Inject, Injectable, Logger } from '@nestjs/common';
import type { Charge } from '../core/charge.js';
import type { Receipt } from '../core/decision.js';
import { describeValue, InvalidChargeError } from '../core/errors.js';
import { RateLimiter } from '../core/rate-limiter.js';
import type { RequestOutcome, SettleRules } from './limit-definition.js';
import type { OpenCharges } from './planned-limit.js';
import type { HandlerCall } from './request-decisions.js';

/** Tokens by which the cost of each bucket was another than what was charged. */
type Differences = ReadonlyMap<string, number>;

/** Makes requests pay what they turned out to cost, by the rules of their limits. */
@Injectable()
export class Settlement {
  private readonly logger = new Logger('RateLimit');
  /** Limits whose rule failed have been told of, once: every request might bring the same. */
  private readonly told = new Set<string>();

  constructor(@Inject(RateLimiter) private readonly limiter: RateLimiter) {}

  /** Never fails: the answer of the handler is not to be lost over its accounting. What cannot be settled stays charged. */
  async settle(call: HandlerCall, outcome: RequestOutcome, context: ExecutionContext): Promise<void> {
    const { openCharges, decision } = call;
    if (openCharges === undefined || decision === undefined) return;
    // At most once, whoever hears of the outcome first.
    call.openCharges = undefined;
    const differences = new Map<string, number>();
    for (const open of openCharges) await this.add(differences, open, outcome, context);
    for (const receipt of decision.receipts) await this.correct(receipt, differences);
  }

  private async add(
    differences: Map<string, number>,
    { limit, charges }: OpenCharges,
    outcome: RequestOutcome,
    context: ExecutionContext,
  ): Promise<void> {
    const rules = limit.settles!;
    try {
      const cost = await costOf(rules, charges[0]!.cost, outcome, context);
      for (const charge of charges) {
        const bucket = bucketOf(charge);
        differences.set(bucket, (differences.get(bucket) ?? 0) + cost - charge.cost);
      }
    } catch (error) {
      this.tellOnce(limit.where, `a request was not settled and stays charged. ${messageOf(error)}`);
    }
  }

  private async correct(receipt: Receipt, differences: Differences): Promise<void> {
    try {
      await this.limiter.settle(receipt, (charge) => charge.cost + (differences.get(bucketOf(charge)) ?? 0));
    } catch (error) {
      // A storage that is away says so itself.
      this.logger.debug(`A request was not settled and stays charged. ${messageOf(error)}`);
    }
  }

  private tellOnce(where: string, message: string): void {
    if (this.told.has(where)) return;
    this.told.add(where);
    this.logger.error(`${where}: ${message} This is said once for each limit.`);
  }
}

async function costOf(
  { refundIf, settle }: SettleRules,
  charged: number,
  outcome: RequestOutcome,
  context: ExecutionContext,
): Promise<number> {
  const isFree: unknown = refundIf === undefined ? false : await refundIf(outcome, context);
  if (typeof isFree !== 'boolean') {
    throw new InvalidChargeError(`refundIf gave ${describeValue(isFree)}; expected true or false.`);
  }
  if (isFree) return 0;
  const cost: unknown = settle === undefined ? charged : await settle(outcome, context);
  if (typeof cost === 'number' && Number.isSafeInteger(cost) && cost >= 0) return cost;
  throw new InvalidChargeError(`settle gave ${describeValue(cost)}; expected a whole number of tokens, at least 0.`);
}

/** In an outage charges are made on shares of the policies, which have their names. */
function bucketOf({ policy, subject }: Charge): string {
  return `${policy.id}\0${subject}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : describeValue(error);
}

/** What a handler answered, or its error as Nest's own filter would answer it. */
export function outcomeOf(
  answer: { readonly result: unknown } | { readonly error: unknown },
  status: number,
): RequestOutcome {
  if (!('error' in answer)) return { status, result: answer.result, error: undefined };
  const { error } = answer;
  return { status: statusOf(error), result: undefined, error };
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const { statusCode, status, expose, code } = (error ?? {}) as Readonly<Record<string, unknown>>;
  // Nest heeds the statuses of http-errors and of Fastify's own errors, and no others.
  const isForeign = (typeof expose === 'boolean' && status === statusCode) || String(code).startsWith('FST_');
  return isForeign && typeof statusCode === 'number' ? statusCode : 500;
}
