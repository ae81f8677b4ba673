import { isNativeError } from 'node:util/types';
import { messageOf, RateLimitConfigurationError, StorageFailureError } from '../../core/errors.js';

/** Which side of the wire refuses, and what helps. The first that fits the message of an error is told. */
const MISCONFIGURATIONS: readonly (readonly [message: RegExp, problem: string, remedy: string])[] = [
  [
    /^(NOAUTH|WRONGPASS)|invalid password/,
    'Redis does not accept the user name and password',
    'correct them; in a URL, percent-encode their special characters',
  ],
  [
    /^NOPERM|user executing the script/,
    'the Redis user may not do what the storage needs',
    'grant it EVALSHA, EVAL, TIME, GET, SET, DEL, STRLEN, GETRANGE, SETRANGE and PEXPIREAT on the keys that begin with the prefix, INFO, SELECT for a database other than 0, and in a Cluster CLUSTER SLOTS, CLUSTER INFO and ASKING; "Rights" in docs/operations.md has the ACL SETUSER line',
  ],
  [
    /syntax error|unknown command|'cjson'/i,
    'the server cannot run the scripts of the storage',
    'use Redis 6.2 or later, or what is compatible with it, and do not rename or disable EVAL and EVALSHA',
  ],
  [
    /DB index is out of range|SELECT is not allowed|invalid DB index/,
    'the server does not have the database that is to be used',
    'name one that it has, or none for database 0',
  ],
  [/cluster support disabled/, 'the server is not a node of a cluster', 'pass url or options instead of cluster'],
  [/^MOVED /, 'the server is a node of a cluster', 'pass cluster instead of url or options, or a Cluster as client'],
];

/** The error to stop the start with, when it is one that waiting does not cure. */
export function misconfiguration(error: Error): RateLimitConfigurationError | undefined {
  const found = MISCONFIGURATIONS.find(([message]) => message.test(error.message));
  if (found === undefined) return undefined;
  const [, problem, remedy] = found;
  return new RateLimitConfigurationError(`RedisStorage: ${problem} (${ofCommand(error)}). Remedy: ${remedy}.`, {
    cause: error,
  });
}

/** Redis 6 does not say which CLUSTER command it refuses; the client knows what it has sent. */
function ofCommand({ message, command }: Error & { readonly command?: SentCommand }): string {
  const [subcommand = ''] = command?.args ?? [];
  const isTold = message.toLowerCase().includes(`cluster|${String(subcommand).toLowerCase()}`);
  return command?.name !== 'cluster' || isTold ? message : `CLUSTER ${String(subcommand)}: ${message}`;
}

interface SentCommand {
  readonly name: string;
  readonly args: readonly unknown[];
}

/** OpenSSL wraps its reason in the place in its source text that found it. */
export function reasonOf({ message }: Error): string {
  return message.replace(/\w+:error:\w+:[^:]*:[^:]*:([^:]+):.*/s, '$1').trim();
}

/** Whatever a client throws, as the one kind of error that callers know. */
export function toStorageFailure(error: unknown): StorageFailureError {
  if (error instanceof StorageFailureError) return error;
  return new StorageFailureError(`Redis could not answer: ${messageOf(error)}`, {
    cause: error,
    isUncharged: isRedirection(error),
  });
}

export function notAsked(reason: string): StorageFailureError {
  const message = `Redis is not asked, because it stopped answering: ${reason}`;
  return new StorageFailureError(message, { isUncharged: true });
}

/** What the last node that was asked said instead of running a script. Another reason may stand in the same sentence. */
const REDIRECTION = /^(?:Too many Cluster redirections\. Last error: \w+: )?(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /;

/** Whether a cluster has sent a question from node to node, and certainly none of them has run it. */
export function isRedirection(error: unknown): boolean {
  return error instanceof Error && REDIRECTION.test(error.message);
}

export function toError(thrown: unknown): Error {
  // Errors of sockets may be of another realm than ours.
  return thrown instanceof Error || isNativeError(thrown) ? thrown : new Error(messageOf(thrown));
}
