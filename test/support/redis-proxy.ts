import { createServer, connect, type Server, type Socket } from 'node:net';

/** What the proxy does with what the server answers. */
export type Answers = 'pass on' | 'cut' | 'keep back';

/** A wire between a client and Redis that can be cut after a request has reached the server. */
export class RedisProxy {
  /** Connections that clients have made so far. */
  connections = 0;
  /** Pieces of data that clients have sent so far; one per request where requests are small and far between. */
  requests = 0;
  answers: Answers = 'pass on';
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
    server.on('connection', (client) => proxy.join(client, connect(targetPort, '127.0.0.1')));
    return proxy;
  }

  private join(client: Socket, redis: Socket): void {
    this.connections++;
    for (const socket of [client, redis]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
    }
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
    client.on('data', (request) => {
      this.requests++;
      redis.write(request);
    });
    redis.on('data', (answer) => {
      if (this.answers === 'pass on') client.write(answer);
      if (this.answers === 'cut') client.destroy();
      if (this.answers === 'keep back') this.keptBack.push(() => void client.write(answer));
    });
  }

  /** Passes on what was kept back, and all that comes from now on. */
  release(): void {
    this.answers = 'pass on';
    for (const passOn of this.keptBack.splice(0)) passOn();
  }

  /** Ends every connection; new ones can be made. */
  cutAll(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
