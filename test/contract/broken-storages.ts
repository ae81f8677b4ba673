import type { Bucket, Charge } from '../../src/core/charge.js';
import { Policy } from '../../src/core/policy.js';
import { RateLimitStorage, type StorageReply } from '../../src/core/storage.js';
import type { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { StorageTopic } from '../../src/testing/storage-contract/storage-contract.js';

/** Memory with something in between, of which each storage below gets one thing wrong. */
export class MemoryBehind extends RateLimitStorage {
  constructor(protected readonly memory: MemoryStorage) {
    super();
  }

  override consume(charges: readonly Charge[]): StorageReply | Promise<StorageReply> {
    return this.memory.consume(charges);
  }

  override peek(charges: readonly Charge[]): StorageReply | Promise<StorageReply> {
    return this.memory.peek(charges);
  }

  override refund(charges: readonly Charge[], thenMicros: number): void {
    this.memory.refund(charges, thenMicros);
  }

  override reset(buckets: readonly Bucket[]): void {
    this.memory.reset(buckets);
  }

  override owe(debts: Parameters<RateLimitStorage['owe']>[0]): void {
    this.memory.owe(debts);
  }
}

const other = (charges: readonly Charge[], change: (charge: Charge) => Partial<Charge>): readonly Charge[] =>
  charges.map((charge) => ({ ...charge, ...change(charge) }));

const withoutPlace = (policy: Policy): Policy =>
  Object.assign(Object.create(Policy.prototype) as Policy, policy, { id: policy.name, stateId: policy.name });

/** The mistake, the topic that finds it, and the storage that makes it. */
export const MISTAKES: readonly [
  mistake: string,
  found: StorageTopic,
  broken: new (memory: MemoryStorage) => MemoryBehind,
][] = [
  [
    'charges are taken one after the other, up to the first that is denied',
    'many charges',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        const replies = charges.map((charge) => this.memory.consume([charge]));
        const allowed = replies.every((reply) => reply.allowed);
        return { allowed, nowMicros: replies[0]!.nowMicros, debtUnits: replies.flatMap((reply) => reply.debtUnits) };
      }
    },
  ],
  [
    'a question is read and written in two steps',
    'decisions',
    class extends MemoryBehind {
      override async consume(charges: readonly Charge[]): Promise<StorageReply> {
        const { allowed } = this.memory.peek(charges);
        await Promise.resolve();
        if (allowed) for (const charge of charges) this.memory.consume([charge]);
        return { ...this.memory.peek(charges), allowed };
      }
    },
  ],
  [
    'time is counted in whole milliseconds',
    'decisions',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        const { debtUnits, ...reply } = this.memory.consume(charges);
        return { ...reply, debtUnits: debtUnits.map((units) => Math.floor(units / 1000) * 1000) };
      }
    },
  ],
  [
    'a peek takes',
    'giving back',
    class extends MemoryBehind {
      override peek(charges: readonly Charge[]): StorageReply {
        return this.memory.consume(charges);
      }
    },
  ],
  [
    'a refund gives back all that was taken, however long ago',
    'giving back',
    class extends MemoryBehind {
      override refund(charges: readonly Charge[]): void {
        this.memory.refund(charges, this.memory.peek(charges).nowMicros);
      }
    },
  ],
  [
    'a refund gives nothing back',
    'giving back',
    class extends MemoryBehind {
      override refund(): void {}
    },
  ],
  [
    'a reset fills the first bucket only',
    'giving back',
    class extends MemoryBehind {
      override reset([first]: readonly Bucket[]): void {
        this.memory.reset([first!]);
      }
    },
  ],
  [
    'what is owed is forgotten',
    'owing',
    class extends MemoryBehind {
      override owe(): void {}
    },
  ],
  [
    'capital letters of subjects do not count',
    'buckets',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        return this.memory.consume(other(charges, ({ subject }) => ({ subject: subject.toLowerCase() })));
      }
    },
  ],
  [
    'subjects are written in UTF-8',
    'buckets',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        return this.memory.consume(
          other(charges, ({ subject }) => ({ subject: Buffer.from(subject).toString('utf8') })),
        );
      }
    },
  ],
  [
    'the place does not count',
    'buckets',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        return this.memory.consume(other(charges, ({ policy }) => ({ policy: withoutPlace(policy) })));
      }
    },
  ],
];
