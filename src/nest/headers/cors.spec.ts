import type { AddressInfo } from 'node:net';
import { Controller, Get, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { RATE_LIMIT_HEADERS } from './header-fields.js';

@Controller()
class HomeController {
  @Get()
  home(): string {
    return 'home';
  }
}

@Module({ controllers: [HomeController] })
class AppModule {}

const create = (adapter: ExpressAdapter | FastifyAdapter): Promise<INestApplication> =>
  NestFactory.create(AppModule, adapter, { logger: false });

it.each([
  ['Express', () => create(new ExpressAdapter())],
  ['Fastify', () => create(new FastifyAdapter())],
])('RATE_LIMIT_HEADERS shows the fields to scripts of other origins on %s', async (_platform, makeApp) => {
  const app = await makeApp();
  app.enableCors({ exposedHeaders: RATE_LIMIT_HEADERS });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const { headers } = await fetch(`http://127.0.0.1:${port}/`, { headers: { Origin: 'https://example.org' } });
  await app.close();
  expect(headers.get('Access-Control-Expose-Headers')?.split(/, ?/)).toEqual(RATE_LIMIT_HEADERS);
});
