import { describeValue, StorageFailureError } from '../../core/errors.js';
import type { StorageReply } from '../../core/storage.js';

/** What a script replied about `count` charges, checked: nothing is admitted because of a reply that makes no sense. */
export function toStorageReply(raw: unknown, count: number): StorageReply {
  if (!Array.isArray(raw) || raw.length !== count + 2) throw malformed(raw, count);
  const allowed = toInteger(raw[0]);
  const nowMicros = toInteger(raw[1]);
  if (allowed > 1) throw malformed(raw, count);
  const debtUnits: number[] = [];
  let least = Math.min(allowed, nowMicros);
  for (let i = 2; i < raw.length; i++) {
    const debt = toInteger(raw[i]);
    debtUnits.push(debt);
    if (debt < least) least = debt;
  }
  if (least < 0) throw malformed(raw, count);
  return { allowed: allowed === 1, nowMicros, debtUnits };
}

/** −1 for whatever is none. A client that was handed in may be set to give numbers as text. */
function toInteger(value: unknown): number {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : -1;
  if (typeof value !== 'string' || !/^\d{1,16}$/.test(value)) return -1;
  return toInteger(Number(value));
}

function malformed(raw: unknown, count: number): StorageFailureError {
  const debts = count === 1 ? 'a debt' : `${count} debts`;
  return new StorageFailureError(
    `Redis replied ${describeValue(raw)}; expected ${count + 2} integers: 0 or 1, the time, and ${debts}.`,
  );
}
