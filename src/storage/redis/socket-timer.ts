import { clearInterval, setInterval } from 'node:timers';
import { outsideRequests } from '../../core/outside-requests.js';
import type { RedisClient } from './client.js';
import { eachConnection } from './each-connection.js';

/** How many times it is looked whether anything has come, in the time for which a connection may be silent. */
const LOOKS = 5;

/** What is used of a connection of ioredis, which keeps all but options and events to itself. */
interface Connected {
  readonly options?: { readonly socketTimeout?: number };
  readonly stream?: Socket;
  readonly commandQueue?: { readonly length: number };
  /** Set while an answer is owed, with a listener that will clear it; until then nobody else may set it. */
  socketTimeoutTimer?: NodeJS.Timeout | undefined;
  on(event: 'ready' | 'close', listener: () => void): unknown;
}

interface Socket {
  readonly bytesRead: number;
  once(event: 'data', listener: () => void): unknown;
  destroy(error: Error): unknown;
}

/**
 * Ends connections that owe an answer and have been silent for at least `socketTimeout`, and at most two fifths longer.
 * ioredis does that too, with a timer and a listener per answer: measured, a twentieth of the processor that decisions take
 * where they come one at a time. Here one timer per connection looks now and then, and has the place where ioredis keeps
 * its own. Until it has, and where there is no such place, ioredis does it.
 */
export function timeSilence(client: RedisClient): RedisClient {
  return eachConnection(client, (connection: Connected) => new SocketTimer(connection).listen());
}

class SocketTimer {
  private timer: NodeJS.Timeout | undefined;
  private silentLooks = 0;
  private bytesRead = 0;

  constructor(private readonly connection: Connected) {}

  listen(): void {
    this.connection.on('ready', this.start);
    this.connection.on('close', this.stop);
  }

  private readonly start = (): void => {
    const { stream, commandQueue, options } = this.connection;
    const socketTimeout = options?.socketTimeout;
    if (typeof stream?.bytesRead !== 'number' || commandQueue === undefined || socketTimeout === undefined) return;
    clearInterval(this.timer);
    this.silentLooks = 0;
    this.timer = outsideRequests(() => setInterval(this.look, socketTimeout / LOOKS).unref());
    this.takePlace();
  };

  /** ioredis 5 leaves its timer running: it would keep the process alive, and end the next connection (redis/ioredis#2147). */
  private readonly stop = (): void => {
    clearInterval(this.timer);
    this.timer = undefined;
    clearTimeout(this.connection.socketTimeoutTimer);
    this.connection.socketTimeoutTimer = undefined;
  };

  private readonly takePlace = (): void => {
    if (this.timer !== undefined) this.connection.socketTimeoutTimer ??= this.timer;
  };

  private readonly look = (): void => {
    const { stream, commandQueue, options } = this.connection;
    const { bytesRead } = stream!;
    // What has been owed since a moment ago is not silence.
    this.silentLooks = commandQueue!.length > 0 && bytesRead === this.bytesRead ? this.silentLooks + 1 : 0;
    this.bytesRead = bytesRead;
    if (this.silentLooks > LOOKS) {
      stream!.destroy(new Error(`The server owes an answer and has sent nothing for ${options!.socketTimeout} ms.`));
      return;
    }
    this.takePlace();
    // What ioredis has set is cleared by a listener that will be called before this one.
    if (this.connection.socketTimeoutTimer !== this.timer) stream!.once('data', this.takePlace);
  };
}
