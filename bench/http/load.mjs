// Load as it comes from a reverse proxy: a few connections that are kept, one request at a time on each.
import { connect } from 'node:net';

const CONNECTIONS = 16;
const END_OF_HEADERS = '\r\n\r\n';

/** One request of each of so many clients, as the bytes that go over the wire. */
export function requestsOf(clients) {
  return Array.from({ length: clients }, (_, i) =>
    Buffer.from(
      'GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nUser-Agent: bench\r\n' +
        `X-Forwarded-For: 198.18.${i >> 8}.${i & 255}${END_OF_HEADERS}`,
    ),
  );
}

export class Load {
  #requests;
  #sockets;
  #sent = 0;

  static async to(port, requests) {
    return new Load(requests, await Promise.all(Array.from({ length: CONNECTIONS }, () => connected(port))));
  }

  constructor(requests, sockets) {
    this.#requests = requests;
    this.#sockets = sockets;
  }

  /** Makes so many requests and answers with the last response. Anything but 200 is an error. */
  run(count) {
    let toSend = count;
    let toCome = count;
    return new Promise((resolve, reject) => {
      for (const socket of this.#sockets) {
        const send = () => {
          if (toSend-- > 0) socket.write(this.#requests[this.#sent++ % this.#requests.length]);
        };
        let text = '';
        socket.removeAllListeners();
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('the server closed a connection')));
        socket.on('data', (chunk) => {
          text += chunk;
          if (!isWhole(text)) return;
          const response = text;
          text = '';
          if (!response.startsWith('HTTP/1.1 200 ')) reject(new Error(`unexpected answer:\n${response}`));
          if (--toCome === 0) resolve(response);
          else send();
        });
        send();
      }
    });
  }

  close() {
    for (const socket of this.#sockets) socket.removeAllListeners().destroy();
  }
}

function isWhole(response) {
  const headersEnd = response.indexOf(END_OF_HEADERS);
  if (headersEnd === -1) return false;
  const bodyLength = /\r\ncontent-length: (\d+)/i.exec(response)?.[1];
  if (bodyLength === undefined) throw new Error(`an answer without Content-Length:\n${response}`);
  return response.length >= headersEnd + END_OF_HEADERS.length + Number(bodyLength);
}

async function connected(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1');
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}
