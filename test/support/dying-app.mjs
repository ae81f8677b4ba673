// A process of its own that serves one route, whose handler never ends, behind a limit that would give every charge back.
// Forked with one argument in JSON: { url, prefix }. Tells its port. Needs a build.
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { everyone, RateLimit, RateLimitModule } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';

const { url, prefix } = JSON.parse(process.argv[2]);

class JobsController {
  run() {
    process.send('running');
    return new Promise(() => {});
  }
}
const run = Object.getOwnPropertyDescriptor(JobsController.prototype, 'run');
Get()(JobsController.prototype, 'run', run);
RateLimit({ capacity: 3, perSeconds: 3600, id: 'jobs', by: everyone(), refundIf: () => true })(
  JobsController.prototype,
  'run',
  run,
);
Controller('jobs')(JobsController);

const limits = RateLimitModule.forRoot({ storage: new RedisStorage({ url, prefix, deadlineMs: 10_000 }) });
// A function, which is a class as far as Nest is concerned.
function AppModule() {}
Module({ imports: [limits], controllers: [JobsController] })(AppModule);
const app = await NestFactory.create(AppModule, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.send(app.getHttpServer().address().port);
