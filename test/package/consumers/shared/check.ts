// Starts the application as users do, asks it over HTTP, shuts it down. The process must then end by itself.
import { NestFactory } from '@nestjs/core';
import { appModule } from './app.js';
import { assertDefaultAndSkip, assertThirdRequestIsRefused } from './client.js';

async function check(redisUrl?: string): Promise<void> {
  const app = await NestFactory.create(appModule(redisUrl), { logger: ['warn', 'error'] });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  await assertThirdRequestIsRefused(url);
  await assertDefaultAndSkip(url);
  await app.close();
}

async function main(): Promise<void> {
  const redisUrl = process.env['REDIS_URL'];
  if (redisUrl === undefined) throw new Error('REDIS_URL is missing');
  await check();
  await check(redisUrl);
}

void main();
