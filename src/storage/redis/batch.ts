import type { Charge } from '../../core/charge.js';
import { messageOf, StorageTimeoutError } from '../../core/errors.js';
import type { StorageReply } from '../../core/storage.js';
import type { Breaker } from './breaker.js';
import { asksTheSame, consumeMessage } from './consume-message.js';
import type { DenyCache } from './deny-cache.js';
import { GroupReply, integersAbout } from './group-reply.js';
import { Question, type Sent } from './question.js';
import { toIntegers, malformed } from './reply.js';
import { CONSUME, CONSUME_TOKENS, type Message, type Script } from './scripts.js';
import { weightOf } from './weight.js';
import { integersBeside } from './window-reply.js';

/** A request's charges on their way to Redis. */
export class Decision extends Question<StorageReply> {
  /** The call that it travels in. */
  batch: Batch | undefined;
  /** What its charges cost Redis. */
  readonly weight: number;

  constructor(
    readonly charges: readonly Charge[],
    resolve: (reply: StorageReply) => void,
    reject: (error: Error) => void,
  ) {
    super(resolve, reject);
    this.weight = weightOf(charges);
  }

  /** Whether it asks the same of the same buckets. */
  equals({ charges }: Decision): boolean {
    return (
      asksTheSame(this.charges, charges) && this.charges.every(({ subject }, i) => subject === charges[i]!.subject)
    );
  }

  override expire(error: Error): void {
    // One that was never sent will not be.
    super.expire(this.batch?.isSent === true ? error : new StorageTimeoutError(error.message, { isUncharged: true }));
    this.batch?.expire(error);
  }
}

/** What a call is made of, and who is told of its outcome. */
export interface BatchSurroundings {
  readonly keyOf: (charge: Charge) => string;
  readonly denials: DenyCache | undefined;
  /** Of whoever a call that is sent now goes to: the slots of a cluster move, and its calls with them. */
  readonly breakerOf: () => Breaker;
  readonly deadlineMs: number;
  /** Takes over the decisions of a call that failed, if each can be asked by itself; false when it cannot. */
  readonly askAlone?: (decisions: readonly Decision[], error: unknown) => boolean;
}

/**
 * Decisions that travel in one call of consume.lua, in the order in which they came. Those that come one after the
 * other and are equal are one group: Redis says how many of them fit, and the first of them are the ones that do.
 */
export class Batch implements Sent {
  /** Buckets that Redis is asked about. */
  size = 0;
  /** What these cost Redis. */
  weight = 0;
  private groups: Decision[][] = [];
  private sentMs: number | undefined;
  /** Of whom it was sent to. */
  private breaker: Breaker | undefined;
  private hasReturned = false;

  /** @param onReturn called once, when the answers have been given or are no longer expected. */
  constructor(
    private readonly surroundings: BatchSurroundings,
    private readonly onReturn: () => void,
  ) {}

  get isSent(): boolean {
    return this.sentMs !== undefined;
  }

  get isAwaited(): boolean {
    return this.hasAny(true, performance.now());
  }

  /** Whether the decision is one more of the latest group, which asks Redis about no more buckets. */
  endsWith(decision: Decision): boolean {
    return this.groups.at(-1)?.[0]!.equals(decision) === true;
  }

  add(decision: Decision): void {
    decision.batch = this;
    if (this.endsWith(decision)) {
      this.groups.at(-1)!.push(decision);
    } else {
      this.groups.push([decision]);
      this.size += decision.charges.length;
      this.weight += decision.weight;
    }
  }

  get script(): Script {
    return this.groups.some(([first]) => integersBeside(first!.charges) > 0) ? CONSUME : CONSUME_TOKENS;
  }

  /** KEYS and ARGV of consume.lua for those decisions that somebody still waits for; the others must not be charged. */
  readonly message = (): Message => {
    const nowMs = performance.now();
    this.dropLate(nowMs);
    this.sentMs = nowMs;
    this.breaker = this.surroundings.breakerOf();
    return consumeMessage(this.groups, this.surroundings.keyOf);
  };

  readonly answer = (raw: unknown): void => {
    try {
      this.tell(raw);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.hasReturned) this.breaker?.succeeded();
    this.return();
    this.letGo();
  };

  readonly fail = (error: unknown): void => {
    if (!this.isTakenOver(error)) {
      for (const group of this.groups) for (const decision of group) decision.break(error);
      this.returnFailed(error);
    }
    this.letGo();
  };

  /** One of its decisions has waited for as long as any may; not always for the server. */
  expire(error: Error): void {
    if (this.sentMs === undefined || performance.now() - this.sentMs < this.surroundings.deadlineMs / 2) return;
    // The answer may never come, and others must not wait for it.
    this.returnFailed(error);
  }

  private isTakenOver(error: unknown): boolean {
    const { askAlone } = this.surroundings;
    if (askAlone === undefined || this.size < 2 || this.sentMs === undefined) return false;
    const awaited = this.groups.flat().filter(({ isAwaited }) => isAwaited);
    if (!askAlone(awaited, error)) return false;
    this.return();
    return true;
  }

  /** What was never sent is no failure of the server: that nothing can be sent is known elsewhere. */
  private returnFailed(error: unknown): void {
    const { breaker, hasReturned } = this;
    this.return();
    if (breaker === undefined || hasReturned) return;
    const waiting = this.groups.reduce((sum, group) => sum + group.length, 0);
    breaker.failed(messageOf(error), waiting);
  }

  private return(): void {
    if (this.hasReturned) return;
    this.hasReturned = true;
    this.onReturn();
  }

  /**
   * V8 comes to put batches where only a full collection looks for what is no longer needed. Whatever they still hold
   * survives the quick ones: measured, those then took ten times as long, and a decision three times as much of the processor.
   */
  private letGo(): void {
    this.groups = [];
  }

  /** Whose time was over before anything could be sent (the event loop stood still) would be charged without an answer. */
  private dropLate(nowMs: number): void {
    if (!this.hasAny(false, nowMs)) return;
    const { deadlineMs } = this.surroundings;
    const inTime = this.groups.map((group) => group.filter((decision) => decision.isInTime(nowMs)));
    const late = this.groups.flat().filter((decision) => !decision.isInTime(nowMs));
    this.groups = inTime.filter(({ length }) => length > 0);
    for (const decision of late)
      decision.expire(new StorageTimeoutError(`Redis was not asked within ${deadlineMs} ms.`));
  }

  private hasAny(isInTime: boolean, nowMs: number): boolean {
    for (const group of this.groups)
      for (const decision of group) if (decision.isInTime(nowMs) === isInTime) return true;
    return false;
  }

  private tell(raw: unknown): void {
    let count = 1;
    for (const [first] of this.groups) count += integersAbout(first!.charges);
    const integers = toIntegers(raw, count);
    let at = 1;
    for (const group of this.groups) {
      const { charges } = group[0]!;
      const reply = new GroupReply(charges, integers, at);
      if (reply.admitted > group.length) throw malformed(raw, count);
      this.tellGroup(group, reply);
      at += integersAbout(charges);
    }
  }

  private tellGroup(group: readonly Decision[], reply: GroupReply): void {
    const { admitted } = reply;
    for (let i = 0; i < admitted; i++) group[i]!.settle(reply.toAdmitted(i + 1));
    if (admitted === group.length) return;
    const denied = reply.toDenied;
    this.surroundings.denials?.remember(group[0]!.charges, denied, reply.beside, this.sentMs!);
    for (let i = admitted; i < group.length; i++) group[i]!.settle(denied);
  }
}
