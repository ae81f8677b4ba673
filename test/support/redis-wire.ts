import { connect, createServer, type Server, type Socket } from 'node:net';

/** A packet of the cluster bus begins so, and has the id of its sender at this place. */
const BUS_PACKET = 'RCmb';
const [SENDER_START, SENDER_END] = [40, 80];

/**
 * A wire that can be cut as networks are: nothing gets through in either direction, not even that one end has closed its
 * connection, and nobody is told. Healed, it delivers what TCP would send again.
 */
export class Wire {
  private readonly waiting: (() => void)[] = [];
  private readonly sockets = new Set<Socket>();
  /** The nodes of a cluster whose packets it has carried. */
  readonly senders = new Set<string>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private readonly isCutFor: (sender: string) => boolean,
  ) {}

  /** @param isCutFor asked about everything on its way; who has opened the connection is the id of a node, or empty. */
  static async start(targetPort: number, isCutFor: (sender: string) => boolean): Promise<Wire> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const wire = new Wire(server, address.port, isCutFor);
    server.on('connection', (near) => wire.join(near, targetPort));
    return wire;
  }

  private join(near: Socket, targetPort: number): void {
    let sender = '';
    let far: Socket | undefined;
    const carry = (action: () => void) => {
      if (this.isCutFor(sender)) this.waiting.push(action);
      else action();
    };
    this.keep(near);
    near.on('data', (chunk) => {
      // Whoever opens a connection speaks first, and a node of a cluster says who it is.
      sender ||= this.senderOf(chunk);
      carry(() => {
        far ??= this.reach(targetPort, near, carry);
        far.write(chunk);
      });
    });
    near.on('close', () => carry(() => far?.destroy()));
  }

  private reach(targetPort: number, near: Socket, carry: (action: () => void) => void): Socket {
    const far = connect(targetPort, '127.0.0.1');
    this.keep(far);
    far.on('data', (chunk) => carry(() => near.write(chunk)));
    far.on('close', () => carry(() => near.destroy()));
    return far;
  }

  private senderOf(chunk: Buffer): string {
    if (chunk.toString('latin1', 0, BUS_PACKET.length) !== BUS_PACKET) return '';
    const sender = chunk.toString('latin1', SENDER_START, SENDER_END);
    this.senders.add(sender);
    return sender;
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }

  /** To be called when it is no longer cut: delivers, in its order, what has waited. */
  deliver(): void {
    for (const action of this.waiting.splice(0)) action();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
