import { describeValue, StorageFailureError } from '../../core/errors.js';
import type { Charge } from '../../core/charge.js';
import type { StorageReply } from '../../core/storage.js';
import { integersBeside, toInstants } from './window-reply.js';

/** What peek.lua replied about charges, checked: nothing is admitted because of a reply that makes no sense. */
export function toStorageReply(raw: unknown, charges: readonly Charge[]): StorageReply {
  const beside = integersBeside(charges);
  const count = 2 + charges.length + beside;
  const [allowed, nowMicros, ...debtUnits] = toIntegers(raw, count) as [number, number, ...number[]];
  if (allowed > 1) throw malformed(raw, count);
  const reply = { allowed: allowed === 1, nowMicros, debtUnits };
  if (beside === 0) return reply;
  return { ...reply, instants: toInstants(charges, debtUnits.splice(charges.length), nowMicros) };
}

/** The integers that a script replied, none of them negative. A client that was handed in may be set to give text. */
export function toIntegers(raw: unknown, count: number): number[] {
  if (!Array.isArray(raw) || raw.length !== count) throw malformed(raw, count);
  const integers: number[] = [];
  for (const value of raw) {
    const integer = toInteger(value);
    if (integer < 0) throw malformed(raw, count);
    integers.push(integer);
  }
  return integers;
}

/** −1 for whatever is none. */
function toInteger(value: unknown): number {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : -1;
  if (typeof value !== 'string' || !/^\d{1,16}$/.test(value)) return -1;
  return toInteger(Number(value));
}

export function malformed(raw: unknown, count: number): StorageFailureError {
  return new StorageFailureError(`Redis replied ${describeValue(raw)}; expected ${count} integers from its script.`);
}
