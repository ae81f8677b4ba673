export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  url: string;
  port: number;
  /** Of the server itself, for tests that kill or suspend it. */
  pid: number;
  /** Ends the server and removes its folder. Safe to call again, and after the server died. */
  stop(): Promise<void>;
}

/** A TCP port of the loopback interface that was free a moment ago. */
export function freePort(): Promise<number>;

/** There is no Redis server on this machine that would do: the message is all that there is to say. */
export class RedisMissingError extends Error {}

/** The command of a Redis server on this machine. @throws RedisMissingError which names the remedy */
export function findRedisServer(): string;

type Arguments = readonly (string | number)[];

/**
 * Starts a Redis server that keeps nothing on disk and ends with this process at the latest.
 * @param extraArgs a function is asked anew for each attempt, for arguments that are ports.
 */
export function startRedis(
  extraArgs?: Arguments | (() => Promise<Arguments>),
  options?: { port?: number },
): Promise<RedisServer>;
