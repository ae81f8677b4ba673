import { setImmediate as turn } from 'node:timers/promises';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  HttpException,
  type INestApplication,
  Module,
  Post,
  Req,
  type Type,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { RateLimitModule } from 'nestjs-token-bucket';
import { ManualClock, withManualClock } from 'nestjs-token-bucket/testing';
import request, { type Response } from 'supertest';
import type { Ran } from './run-block.js';

/** Authentication that believes what it is told: `X-User: {"id":42}`. */
class BelievingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const asked = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined>; user?: unknown }>();
    const told = asked.headers['x-user'];
    if (told !== undefined) asked.user = JSON.parse(told);
    return true;
  }
}

/** Header fields of somebody who is logged in. */
export const as = (user: object): Record<string, string> => ({ 'x-user': JSON.stringify(user) });

/** What a document leaves out of a controller: where it stands and what it answers to `GET` and `POST`. */
export function asController(
  name: string,
  controller: Type | undefined,
  answer: (asked: { readonly body: unknown }) => unknown = () => 'answer',
): Type {
  if (controller === undefined) throw new Error(`The block has no controller for /${name}.`);
  // A function for each, because Nest keeps the route with the function.
  const handlers = {
    readByGet: [Get, (asked: never) => answer(asked)],
    writtenByPost: [Post, (asked: never) => answer(asked)],
  } as const;
  for (const [key, [route, value]] of Object.entries(handlers)) {
    const descriptor = { value, configurable: true, writable: true };
    Object.defineProperty(controller.prototype, key, descriptor);
    route()(controller.prototype, key, descriptor);
    Req()(controller.prototype, key, 0);
  }
  Controller(name)(controller);
  return controller;
}

/** An answer of a handler that is an error. */
export function failWith(status: number): never {
  throw new HttpException('as the test wants it', status);
}

/** How an application is put together around what a block has in it. */
export interface AppOptions {
  readonly controllers?: readonly Type[];
  /** In the place of the modules that the block made: that which imports them. */
  readonly root?: Type | undefined;
  /** Whether buckets are kept where the block says, and count by its clock: else in memory, by that of the application. */
  readonly ownStorage?: boolean;
  /** Something to be done before it starts, such as saying which proxies are believed. */
  readonly prepare?: (app: INestApplication) => unknown;
}

/** A running application that counts by a clock of its own. */
export interface RunningApp {
  readonly app: INestApplication;
  readonly clock: ManualClock;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, headers?: Record<string, string>, body?: object): Promise<Response>;
  /** How many requests are admitted at this moment. */
  admitted(path: string, headers?: Record<string, string>): Promise<number>;
}

const running: INestApplication[] = [];

/** Closes what {@link startApp} started: for `afterEach`. */
export async function closeApps(): Promise<void> {
  for (const app of running.splice(0)) await app.close();
}

/** Many more than any limit of the documents that is counted. */
const MOST = 150;

/** Starts an application of what a block made; a module without options where it made none. */
export async function startApp(
  { modules }: Pick<Ran<unknown>, 'modules'>,
  options: AppOptions = {},
): Promise<RunningApp> {
  const { controllers = [], root, prepare, ownStorage = false } = options;
  @Module({
    imports: root === undefined ? [...(modules.length === 0 ? [RateLimitModule.forRoot()] : modules)] : [root],
    controllers: [...controllers],
    providers: [{ provide: APP_GUARD, useClass: BelievingGuard }],
  })
  class TestedModule {}
  const clock = new ManualClock();
  const builder = Test.createTestingModule({ imports: [TestedModule] });
  const testing = await (ownStorage ? builder : withManualClock(builder, clock)).compile();
  const app = testing.createNestApplication({ logger: false });
  running.push(app);
  await prepare?.(app);
  await app.listen(0, '127.0.0.1');
  const server = app.getHttpServer();
  const get: RunningApp['get'] = async (path, headers = {}) => request(server).get(path).set(headers);
  return {
    app,
    clock,
    get,
    post: async (path, headers = {}, body = {}) => request(server).post(path).set(headers).send(body),
    async admitted(path, headers) {
      for (let count = 0; count < MOST; count++) {
        if ((await get(path, headers)).status === 429) return count;
      }
      return Infinity;
    },
  };
}

/**
 * The answers to many requests that are sent at once, as far as they have come when the last of them has been decided; the
 * others wait in a line, which is ended with the application. The last one is refused, as the line is full by then.
 */
export async function statusesOfMany(app: RunningApp, path: string, count: number): Promise<readonly number[]> {
  const statuses: number[] = [];
  const remember = ({ status }: Response): number => statuses.push(status);
  for (let i = 0; i < count; i++) {
    app.get(path).then(remember, () => undefined);
    // Each is sent behind the one before it.
    await turn();
  }
  while (!statuses.includes(429)) await turn();
  const decided = await app.get(path);
  if (decided.status !== 429) throw new Error(`The last request is answered ${decided.status}; the line is not full.`);
  return [...statuses];
}

/** A controller of `GET /`, which nothing but the module limits. */
@Controller()
export class HomeController {
  @Get() home(): string {
    return 'home';
  }
}
