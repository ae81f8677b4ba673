import { createServer, connect, type Server, type Socket } from 'node:net';

/** What the proxy does with what clients send. */
export type Questions = 'pass on' | 'drop';
/** What the proxy does with what the server answers. */
export type Answers = 'pass on' | 'cut' | 'keep back' | 'drop';
/** What becomes of a new connection: half-open, it is accepted and never hears anything. */
export type Newcomers = 'join' | 'half-open' | 'reset';

/** A wire between clients and Redis that can be slow, silent, cut after a request has reached the server, or torn. */
export class RedisProxy {
  /** Connections that clients have made so far. */
  connections = 0;
  /** Pieces of data that clients have sent so far; one per request where requests are small and far between. */
  requests = 0;
  /** Connections that were cut when an answer came, which was swallowed. */
  cuts = 0;
  questions: Questions = 'pass on';
  answers: Answers = 'pass on';
  newcomers: Newcomers = 'join';
  /** Milliseconds that data takes on its way; what was sent before arrives before. */
  questionDelayMs = 0;
  answerDelayMs = 0;
  /** Is shown what clients send. */
  onRequest: (data: Buffer) => void = () => {};
  /** Whether the answer to what a client sends is cut; whatever else `answers` says. */
  isToBeCut: (data: Buffer) => boolean = () => false;
  /** Number of the latest connection that hears nothing any more. */
  private silentUpTo = 0;
  private readonly sockets = new Set<Socket>();
  private readonly keptBack: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(targetPort: number): Promise<RedisProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const proxy = new RedisProxy(server, `redis://127.0.0.1:${address.port}`);
    server.on('connection', (client) => proxy.welcome(client, targetPort));
    return proxy;
  }

  private welcome(client: Socket, targetPort: number): void {
    this.connections++;
    this.keep(client);
    if (this.newcomers === 'join') this.join(client, connect(targetPort, '127.0.0.1'));
    else if (this.newcomers === 'reset') client.resetAndDestroy();
    else client.on('data', (request) => this.note(request));
  }

  private join(client: Socket, redis: Socket): void {
    this.keep(redis);
    const number = this.connections;
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
    const [toRedis, toClient] = [delayed(), delayed()];
    let isCutNext = false;
    client.on('data', (request) => {
      this.note(request);
      isCutNext ||= this.isToBeCut(request);
      if (this.questions === 'pass on' && number > this.silentUpTo)
        toRedis(this.questionDelayMs, () => redis.write(request));
    });
    redis.on('data', (answer) => {
      if (isCutNext || this.answers === 'cut') {
        if (!client.destroyed) this.cuts++;
        client.destroy();
        return;
      }
      if (this.answers === 'pass on') toClient(this.answerDelayMs, () => client.write(answer));
      if (this.answers === 'keep back') this.keptBack.push(() => void client.write(answer));
    });
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    // Else small pieces wait for acknowledgements, up to 40 ms.
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  private note(request: Buffer): void {
    this.requests++;
    this.onRequest(request);
  }

  /** Passes on what was kept back, and all that comes from now on. */
  release(): void {
    this.answers = 'pass on';
    for (const passOn of this.keptBack.splice(0)) passOn();
  }

  /** No more faults on what comes from now on; connections that are half-open stay so. */
  heal(): void {
    this.questions = 'pass on';
    this.newcomers = 'join';
    this.questionDelayMs = 0;
    this.answerDelayMs = 0;
    this.release();
  }

  /** The connections that stand stay, and nothing that clients send on them arrives; new ones can be made. */
  silenceAll(): void {
    this.silentUpTo = this.connections;
  }

  /** Ends every connection; new ones can be made. */
  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  /** Tears every connection: a RST instead of a FIN. */
  resetAll(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
    this.sockets.clear();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Does things so many milliseconds later, never one before another that was to be done before it. */
function delayed(): (delayMs: number, action: () => void) => void {
  const waiting: (() => void)[] = [];
  return (delayMs, action) => {
    if (delayMs === 0 && waiting.length === 0) {
      action();
      return;
    }
    waiting.push(action);
    setTimeout(() => waiting.shift()!(), delayMs).unref();
  };
}
