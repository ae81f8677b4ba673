/**
 * What the storage needs of a client. Every `Redis` and `Cluster` of ioredis 5.11 and 6 fits, and so do forks: the type is
 * structural, so that it does not matter which copy of which version a client comes from.
 */
export interface RedisClient {
  readonly status: string;
  readonly isCluster?: boolean | undefined;
  // `| undefined`, because ioredis says so of its options: it matters where `exactOptionalPropertyTypes` is set.
  readonly options?:
    | {
        readonly db?: number | undefined;
        readonly tls?: unknown;
        readonly redisOptions?: { readonly tls?: unknown } | undefined;
        readonly socketTimeout?: number | undefined;
        readonly commandTimeout?: number | undefined;
        readonly retryStrategy?: unknown;
        readonly enableOfflineQueue?: boolean | undefined;
        readonly autoResendUnfulfilledCommands?: boolean | undefined;
      }
    | undefined;
  evalsha(sha1: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>;
  del(...keys: string[]): Promise<unknown>;
  select?(database: number): Promise<unknown>;
  connect(): Promise<unknown>;
  quit(): Promise<unknown>;
  disconnect(): void;
  duplicate(overrides?: object): RedisClient;
  on(event: string, listener: (error: Error) => void): unknown;
  once(event: string, listener: (error: Error) => void): unknown;
  removeListener(event: string, listener: (error: Error) => void): unknown;
}

/** Milliseconds after which an attempt to connect is given up and made again. */
export const CONNECT_TIMEOUT_MS = 1000;
/** A frozen master of a Sentinel group keeps its connections: it is left after this, and no sooner. */
const SILENCE_LIMIT_MS = 2000;
/** What is advised for connections that others use, too: they may ask what takes longer. */
const PATIENT_LIMIT_MS = 5000;
const KEEP_ALIVE_MS = 5000;
/** Milliseconds that a socket may take to close. */
export const DISCONNECT_TIMEOUT_MS = 250;
const LONGEST_RETRY_DELAY_MS = 2000;

/**
 * How the storage sets its own connections. No command is kept for later or sent twice: a decision is charged at most
 * once, and a failure is known at once. The rest notices a dead server soon and comes back without a stampede.
 */
export function connectionProfile(deadlineMs: number) {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: retryDelayMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: Math.max(SILENCE_LIMIT_MS, 2 * deadlineMs),
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    keepAlive: KEEP_ALIVE_MS,
    noDelay: true,
    // The storage has a deadline of its own, without a timer per command.
    commandTimeout: undefined,
    // Measured: slower than plain commands here.
    enableAutoPipelining: false,
    stringNumbers: false,
    readOnly: false,
    monitor: false,
  };
}

/** Doubles from 50 ms to 2 s; the half of it is random, so that instances do not come back in step. */
function retryDelayMs(attempt: number): number {
  const longestMs = Math.min(LONGEST_RETRY_DELAY_MS, 50 * 2 ** Math.min(attempt - 1, 10));
  return Math.round(longestMs * (0.5 + Math.random() / 2));
}

export function usesTls({ options = {} }: RedisClient): boolean {
  return (options.tls ?? options.redisOptions?.tls) !== undefined;
}

/** What a client that is used as it is will do to decisions, one line per setting that does it, with its remedy. */
export function dangersOf({ options = {} }: RedisClient, deadlineMs: number): readonly string[] {
  const dangers: string[] = [];
  if (options.enableOfflineQueue !== false) {
    dangers.push(
      'enableOfflineQueue: a decision that failed while Redis was away is charged when it is back. Set it to false',
    );
  }
  if (options.autoResendUnfulfilledCommands !== false) {
    dangers.push(
      'autoResendUnfulfilledCommands: a decision whose answer was lost is sent again and charged twice. Set it to false',
    );
  }
  return [
    ...dangers,
    ...dangersOfSilence(options.socketTimeout, deadlineMs),
    ...dangersOfHaste(options.commandTimeout, deadlineMs),
    ...dangersOfRetries({ retryStrategy: options.retryStrategy }),
  ];
}

/** @param socketTimeout as the client has it */
export function dangersOfSilence(socketTimeout: unknown, deadlineMs: number): readonly string[] {
  if (typeof socketTimeout === 'number' && socketTimeout > 0) return [];
  return [
    'no socketTimeout: a connection on which the server has fallen silent is kept, until the operating system gives it ' +
      `up after minutes. Set it to ${Math.max(PATIENT_LIMIT_MS, 2 * deadlineMs)}, with ioredis 6`,
  ];
}

/** @param commandTimeout as the client has it */
export function dangersOfHaste(commandTimeout: unknown, deadlineMs: number): readonly string[] {
  if (typeof commandTimeout !== 'number' || commandTimeout >= deadlineMs) return [];
  return [
    `commandTimeout of ${commandTimeout} ms: a decision fails sooner than deadlineMs, ${deadlineMs}, allows. Leave it out`,
  ];
}

/** @param strategy the setting by its name, as the client has it */
export function dangersOfRetries(strategy: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(strategy)
    .filter(([, value]) => value !== undefined && typeof value !== 'function')
    .map(([name]) => `${name}: a connection that is lost is never made again. Give it a function`);
}
