import type { Kept } from './override-index.js';
import type { RateLimitOverride, SubjectBlock } from './override.js';
import { isOver, type Overrides } from './overrides.js';

/** The limits that are changed now. */
export function listOverrides(overrides: Overrides): readonly RateLimitOverride[] {
  return listed(overrides, ({ record, untilMicros }, nowMicros) => {
    if (record.kind !== 'limit') return [];
    const { policy, subject, numbers, reason } = record;
    return [{ policy, subject, ...numbers, ...reasonOf(reason), ...expiryOf(untilMicros, nowMicros) }];
  });
}

/** The subjects that are blocked now. */
export function listBlocks(overrides: Overrides): readonly SubjectBlock[] {
  return listed(overrides, ({ record, untilMicros }, nowMicros) => {
    if (record.kind !== 'block') return [];
    const { subject, reason } = record;
    return [{ subject, ...reasonOf(reason), ...expiryOf(untilMicros, nowMicros) }];
  });
}

function listed<T>({ index, store }: Overrides, toItems: (kept: Kept, nowMicros: number) => readonly T[]): T[] {
  const nowMicros = store.nowMicros();
  const current = [...index.all].filter((kept) => !isOver(kept, nowMicros));
  return current.flatMap((kept) => toItems(kept, nowMicros));
}

function reasonOf(reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason };
}

function expiryOf(untilMicros: number, nowMicros: number): { readonly expiresInMs?: number } {
  return untilMicros === 0 ? {} : { expiresInMs: (untilMicros - nowMicros) / 1000 };
}
