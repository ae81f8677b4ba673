import { createServer, type Server } from 'node:net';

/** What a fake server says to a command: raw protocol, such as `-ERR no\r\n`. Undefined: nothing at all. */
export type FakeAnswer = (command: string, args: readonly string[]) => string | undefined;

/** A server of ours that speaks just enough of the protocol to be another Redis than the one installed. */
export async function startFakeRedis(answer: FakeAnswer): Promise<{ url: string; stop(): Promise<void> }> {
  const server: Server = createServer((socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let command = takeCommand(); command !== undefined; command = takeCommand()) {
        const [name = '', ...args] = command;
        const reply = answer(name.toUpperCase(), args);
        if (reply !== undefined) socket.write(reply);
      }
    });
    const takeCommand = (): string[] | undefined => {
      const count = Number(/^\*(\d+)\r\n/.exec(text)?.[1]);
      let at = text.indexOf('\r\n') + 2;
      const parts: string[] = [];
      while (parts.length < count) {
        const length = Number(/^\$(\d+)\r\n/.exec(text.slice(at, at + 12))?.[1]);
        const start = text.indexOf('\r\n', at) + 2;
        if (Number.isNaN(length) || text.length < start + length + 2) return undefined;
        parts.push(text.slice(start, start + length));
        at = start + length + 2;
      }
      if (parts.length === 0) return undefined;
      text = text.slice(at);
      return parts;
    };
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stop = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { url: `redis://127.0.0.1:${address.port}`, stop };
}

/** The answers of a healthy server to the greeting of a client. */
export function greet(command: string): string | undefined {
  if (command === 'HELLO') return "-ERR unknown command 'HELLO'\r\n";
  if (command === 'INFO') return '$9\r\nloading:0\r\n';
  if (command === 'CLIENT' || command === 'QUIT' || command === 'SELECT') return '+OK\r\n';
  return undefined;
}
