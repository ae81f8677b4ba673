import { Controller, Get, type LoggerService } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import {
  type ClientProxy,
  ClientProxyFactory,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  Transport,
} from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type Decision, RateLimit, RateLimitDecision, RateLimitModule } from 'nestjs-token-bucket';
import { firstValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { freePort } from '../support/redis-server.mjs';
import type { AppSettings } from './support/app.js';
import { LANES, makeStorage, useApps } from './support/lanes.js';

const told = (decision: Decision | undefined): string => (decision === undefined ? 'no decision' : 'a decision');

@Controller()
class MixedController {
  @Get()
  page(): string {
    return 'page';
  }

  @MessagePattern('sum')
  sum(@Payload() numbers: number[], @RateLimitDecision() decision: Decision | undefined): string {
    return `${numbers.reduce((a, b) => a + b, 0)}, ${told(decision)}`;
  }
}

@Controller()
class LimitedMessagesController {
  @Get()
  @RateLimit(1, 3600)
  page(): string {
    return 'page';
  }

  @MessagePattern('limited')
  @RateLimit(1, 3600)
  limited(): string {
    return 'let through';
  }
}

@WebSocketGateway()
class EchoGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() data: number, @RateLimitDecision() decision: Decision | undefined): object {
    return { event: 'echoed', data: `${data}, ${told(decision)}` };
  }
}

@WebSocketGateway()
class LimitedGateway extends EchoGateway {
  @SubscribeMessage('limited')
  @RateLimit(1, 3600)
  limited(): object {
    return { event: 'limited', data: 'let through' };
  }
}

class GreetingResolver {
  hello(this: void): string {
    return 'hello';
  }
}

describe.each(LANES)('Handlers of other kinds on $platform with $storage', ({ platform, storage }) => {
  const start = useApps();
  const clients: ClientProxy[] = [];
  const sockets: WebSocket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.terminate();
    for (const client of clients.splice(0)) await client.close();
  });

  /** HTTP, messages over TCP and a WebSocket in one application, and what it warned of. */
  const startHybrid = async (settings: AppSettings, inheritAppConfig = true) => {
    const warnings: string[] = [];
    const logger: LoggerService = { log: () => {}, error: () => {}, warn: (text: string) => warnings.push(text) };
    const options = { host: '127.0.0.1', port: await freePort() };
    const { app, get, url } = await start({
      platform,
      ...settings,
      configure: (app) => {
        app.useLogger(logger);
        app.useWebSocketAdapter(new WsAdapter(app));
        app.connectMicroservice<MicroserviceOptions>({ transport: Transport.TCP, options }, { inheritAppConfig });
      },
    });
    await app.startAllMicroservices();
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
    clients.push(client);
    const ask = (pattern: string, data: unknown) => firstValueFrom(client.send<string>(pattern, data));
    const socket = new WebSocket(url.replace('http', 'ws'));
    sockets.push(socket);
    await next(socket, 'open');
    const tell = async (event: string, data?: unknown): Promise<unknown> => {
      const answer = next(socket, 'message');
      socket.send(JSON.stringify({ event, data }));
      return JSON.parse(String(await answer));
    };
    return { app, get, ask, tell, warnings };
  };

  const limitOfOne = () =>
    RateLimitModule.forRoot({
      storage: makeStorage(storage),
      default: { capacity: 1, perSeconds: 3600 },
      logDenials: false,
    });

  it('are let through by a default limit with one warning in all, and routes are limited', async () => {
    const { get, ask, tell, warnings } = await startHybrid({
      imports: [limitOfOne()],
      controllers: [MixedController],
      providers: [EchoGateway],
    });
    expect(warnings).toEqual([]);
    for (let i = 0; i < 3; i++) {
      expect(await ask('sum', [i, 1])).toBe(`${i + 1}, no decision`);
      expect(await tell('echo', i)).toEqual({ event: 'echoed', data: `${i}, no decision` });
    }
    expect((await get('/')).status).toBe(200);
    expect((await get('/')).status).toBe(429);
    expect(await ask('sum', [1, 1])).toBe('2, no decision');
    expect(warnings).toEqual([
      'Rate limits apply to HTTP handlers only; "rpc" handlers such as MixedController.sum are let through. This is said once.',
    ]);
  });

  it('are named when the application starts if they have limits of their own', async () => {
    const { get, ask, tell, warnings } = await startHybrid(
      {
        imports: [RateLimitModule.forRoot({ storage: makeStorage(storage) })],
        controllers: [LimitedMessagesController],
        providers: [LimitedGateway],
      },
      false,
    );
    expect(warnings).toEqual([
      expect.stringMatching(/^@RateLimit on LimitedMessagesController\.limited has no effect yet/),
      expect.stringMatching(/^@RateLimit on LimitedGateway has no effect yet/),
    ]);
    for (let i = 0; i < 3; i++) {
      expect(await ask('limited', {})).toBe('let through');
      expect(await tell('limited')).toEqual({ event: 'limited', data: 'let through' });
    }
    expect((await get('/')).status).toBe(200);
    expect((await get('/')).status).toBe(429);
  });

  // The way in which GraphQL, commands and other libraries call their handlers.
  it('of other libraries are let through like them', async () => {
    const { app, warnings } = await startHybrid({
      imports: [limitOfOne()],
      controllers: [MixedController],
      providers: [EchoGateway],
    });
    const resolver = new GreetingResolver();
    const options = { guards: true, interceptors: true, filters: true };
    const resolve = app
      .get(ExternalContextCreator)
      .create(resolver, resolver.hello, 'hello', undefined, undefined, undefined, undefined, options, 'graphql');
    for (let i = 0; i < 3; i++) expect(await resolve({}, {}, { req: {} }, {})).toBe('hello');
    expect(warnings).toEqual([expect.stringContaining('"graphql" handlers such as GreetingResolver.hello')]);
  });
});

function next(socket: WebSocket, event: 'open' | 'message'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
  });
}
