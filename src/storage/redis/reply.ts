import { describeValue, StorageFailureError } from '../../core/errors.js';
import type { StorageReply } from '../../core/storage.js';

/** What a script replied about `count` charges, checked: whatever stands at the other end must not decide by accident. */
export function toStorageReply(raw: unknown, count: number): StorageReply {
  if (Array.isArray(raw) && raw.length === count + 2) {
    const [allowed, nowMicros, ...debtUnits] = raw.map(toInteger);
    if ((allowed === 0 || allowed === 1) && nowMicros! >= 0 && debtUnits.every((debt) => debt >= 0)) {
      return { allowed: allowed === 1, nowMicros: nowMicros!, debtUnits };
    }
  }
  throw new StorageFailureError(
    `Redis replied ${describeValue(raw)}; expected ${count + 2} integers: 0 or 1, the time, and ${count === 1 ? 'a debt' : `${count} debts`}.`,
  );
}

/** −1 for what is none. A client that was handed in may be set to give numbers as text. */
function toInteger(value: unknown): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : -1;
}
