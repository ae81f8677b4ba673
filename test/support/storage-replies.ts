import type { StorageReply } from '../../src/core/storage.js';

/** The reply without what has no meaning: when an admitted request would be admitted. */
export function told(reply: StorageReply): StorageReply {
  if (!reply.allowed || reply.instants === undefined) return reply;
  return { ...reply, instants: reply.instants.map((instants) => instants && { ...instants, retryAtMicros: 0 }) };
}
