import type { Bucket, Charge } from '../../src/core/charge.js';
import type { OverrideChanges, OverrideStore } from '../../src/core/overrides/override-store.js';
import { Policy } from '../../src/core/policy.js';
import { plainOf } from '../../src/core/reservation.js';
import { RateLimitStorage, type StorageReply } from '../../src/core/storage.js';
import type { MemoryStorage } from '../../src/storage/memory/memory.storage.js';
import type { StorageTopic } from '../../src/testing/storage-contract/storage-contract.js';

/** Memory with something in between, and nothing of what may be left out. */
export class LeastBehind extends RateLimitStorage {
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

  override grant(charges: readonly Charge[]): void {
    this.memory.grant(charges);
  }

  override reset(buckets: readonly Bucket[]): void {
    this.memory.reset(buckets);
  }
}

/** Memory with something in between, of which each storage below gets one thing wrong. */
export class MemoryBehind extends LeastBehind {
  override cancel(charge: Charge, reply: StorageReply): boolean {
    return this.memory.cancel(charge, reply);
  }

  override get overrideStore(): OverrideStore {
    return this.memory.overrideStore;
  }

  override owe(debts: Parameters<RateLimitStorage['owe']>[0]): void {
    this.memory.owe(debts);
  }
}

const other = (charges: readonly Charge[], change: (charge: Charge) => Partial<Charge>): readonly Charge[] =>
  charges.map((charge) => ({ ...charge, ...change(charge) }));

const withoutPlace = (policy: Policy): Policy =>
  Object.assign(Object.create(Policy.prototype) as Policy, policy, { id: policy.name, stateId: policy.name });

/** What is decided at run time, with something in between. */
class OverridesBehind implements OverrideStore {
  constructor(protected readonly store: OverrideStore) {}

  read(after: number): Promise<OverrideChanges> {
    return this.store.read(after);
  }

  write(key: string, value: string, lifetimeMicros: number): Promise<boolean> {
    return this.store.write(key, value, lifetimeMicros);
  }

  remove(key: string): Promise<boolean> {
    return this.store.remove(key);
  }

  nowMicros(): number {
    return this.store.nowMicros();
  }
}

const withOverrides = (Overrides: new (store: OverrideStore) => OverridesBehind) =>
  class extends MemoryBehind {
    override get overrideStore(): OverrideStore {
      return new Overrides(this.memory.overrideStore);
    }
  };

/** The mistake, the topic that finds it, and the storage that makes it. */
type Mistake = [mistake: string, found: StorageTopic, broken: new (memory: MemoryStorage) => MemoryBehind];

/** Memory that writes buckets when it denies, each with the debt that it has. */
const writingWhenDenied = (written: (charges: readonly Charge[], memory: MemoryStorage) => readonly Charge[]) =>
  class extends MemoryBehind {
    override consume(charges: readonly Charge[]): StorageReply {
      const reply = this.memory.consume(charges);
      const buckets = reply.allowed ? [] : written(charges, this.memory);
      this.memory.owe(buckets.map(({ policy, subject }) => ({ policy, subject, debtUnits: 0 })));
      return reply;
    }
  };

const fullOf = (charges: readonly Charge[], memory: MemoryStorage): readonly Charge[] =>
  charges.filter((charge) => memory.peek([charge]).debtUnits[0] === 0);

/** Mistakes that no answer shows: they are found by what is kept. */
export const HIDDEN_MISTAKES: readonly Mistake[] = [
  [
    'a denied request inserts the buckets that are absent',
    'many charges',
    writingWhenDenied((charges, memory) => (charges.length > 1 ? fullOf(charges, memory) : [])),
  ],
  [
    'a denied charge inserts the bucket that is absent',
    'decisions',
    writingWhenDenied((charges, memory) => (charges.length === 1 ? fullOf(charges, memory) : [])),
  ],
  [
    'a denied charge writes its bucket anew',
    'decisions',
    writingWhenDenied((charges, memory) => (fullOf(charges, memory).length === 0 ? charges : [])),
  ],
];

/** Mistakes that the answers show. */
export const MISTAKES: readonly Mistake[] = [
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
    'a grant gives nothing',
    'giving back',
    class extends MemoryBehind {
      override grant(): void {}
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
  [
    'nothing is charged beyond the capacity',
    'reserving',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        return this.memory.consume(other(charges, ({ policy }) => ({ policy: plainOf(policy) })));
      }
    },
  ],
  [
    'a line has no end',
    'reserving',
    class extends MemoryBehind {
      override consume(charges: readonly Charge[]): StorageReply {
        const endless = (policy: Policy): Policy =>
          plainOf(policy) === policy ? policy : Object.create(policy, { capacityUnits: { value: 2 ** 51 } });
        return this.memory.consume(other(charges, ({ policy }) => ({ policy: endless(policy) })));
      }
    },
  ],
  [
    'a charge is said to be taken back, and is not',
    'reserving',
    class extends MemoryBehind {
      override cancel(): boolean {
        return true;
      }
    },
  ],
  [
    'nothing is ever taken back',
    'cancelling',
    class extends MemoryBehind {
      override cancel(): boolean {
        return false;
      }
    },
  ],
  [
    'a charge is taken back although others count on it',
    'cancelling',
    class extends MemoryBehind {
      override cancel(charge: Charge, { nowMicros }: StorageReply): boolean {
        this.memory.refund([charge], nowMicros);
        return true;
      }
    },
  ],
  [
    'what is taken back has decayed',
    'cancelling',
    class extends MemoryBehind {
      override cancel(charge: Charge, reply: StorageReply): boolean {
        const isLast = this.memory.cancel(charge, reply);
        if (!isLast) return false;
        this.memory.consume([charge]);
        this.memory.refund([charge], reply.nowMicros);
        return true;
      }
    },
  ],
  [
    'what is removed is forgotten at once',
    'overrides',
    withOverrides(
      class extends OverridesBehind {
        override async read(after: number): Promise<OverrideChanges> {
          const changes = await this.store.read(after);
          return { ...changes, entries: changes.entries.filter(({ value }) => value !== '') };
        }
      },
    ),
  ],
  [
    'nothing that is decided ever ends',
    'overrides',
    withOverrides(
      class extends OverridesBehind {
        override write(key: string, value: string): Promise<boolean> {
          return this.store.write(key, value, 0);
        }
      },
    ),
  ],
  [
    'capital letters of keys do not count',
    'overrides',
    withOverrides(
      class extends OverridesBehind {
        override write(key: string, value: string, lifetimeMicros: number): Promise<boolean> {
          return this.store.write(key.toLowerCase(), value, lifetimeMicros);
        }
      },
    ),
  ],
  [
    'versions stand still',
    'overrides',
    withOverrides(
      class extends OverridesBehind {
        override async read(after: number): Promise<OverrideChanges> {
          const changes = await this.store.read(after);
          return { ...changes, version: 1, latestVersion: 1 };
        }
      },
    ),
  ],
];
