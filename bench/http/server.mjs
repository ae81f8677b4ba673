// One application in a process of its own. Arguments: platform, variant. Tells its CPU time to the parent that asks.
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { rootModule } from './variants.mjs';

const [platform, variant] = process.argv.slice(2);

const adapter = platform === 'fastify' ? new FastifyAdapter({ trustProxy: '127.0.0.1' }) : new ExpressAdapter();
const app = await NestFactory.create(rootModule(variant), adapter, { logger: ['warn', 'error'] });
// No ETag: Express makes a hash object for each, and when those are collected differs from run to run.
if (platform === 'express') app.set('trust proxy', 'loopback').set('etag', false);
await app.listen(0, '127.0.0.1');
app.getHttpServer().keepAliveTimeout = 0; // the connections are idle while others have their turns

process.on('message', () => process.send(process.cpuUsage()));
process.on('disconnect', () => process.exit());
process.send({ port: app.getHttpServer().address().port });
