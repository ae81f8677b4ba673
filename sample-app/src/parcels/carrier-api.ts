import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { CarrierAddress } from './carrier-address.js';

const MOST_CALLS = 20;
const WINDOW_MS = 1000;

/**
 * For the demonstration only: stands in for the API of a carrier, over HTTP on a port of this machine. Like many it
 * allows so many calls in any second, strictly, and answers 429 beyond that.
 */
@Injectable()
export class CarrierApi extends CarrierAddress implements OnModuleInit, OnApplicationShutdown {
  /** Calls that were answered, and those that were refused with a 429. */
  readonly calls = { answered: 0, refused: 0 };
  private readonly callsAtMs: number[] = [];
  private server: Server | undefined;

  async onModuleInit(): Promise<void> {
    const server = createServer((request, response) => {
      response.setHeader('Content-Type', 'application/json');
      if (!this.allows(performance.now())) {
        this.calls.refused++;
        response.writeHead(429, { 'Retry-After': '1' }).end('{}');
        return;
      }
      this.calls.answered++;
      response.end(JSON.stringify({ id: request.url?.split('/').at(-1), state: 'on its way' }));
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  override get url(): string {
    const { port } = this.server!.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  private allows(nowMs: number): boolean {
    while (this.callsAtMs.length > 0 && this.callsAtMs[0]! <= nowMs - WINDOW_MS) this.callsAtMs.shift();
    if (this.callsAtMs.length >= MOST_CALLS) return false;
    this.callsAtMs.push(nowMs);
    return true;
  }
}
