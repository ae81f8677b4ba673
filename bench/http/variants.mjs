// The applications that are compared: one controller with one route, and nothing else but what is measured.
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import throttler from '@nestjs/throttler';
import { RateLimitModule } from '../../dist/esm/index.js';

// Nobody is refused in a run.
const LIMIT = 1000;
const SECONDS = 3600;

class HelloController {
  hello() {
    return { message: 'hello' };
  }
}
Get()(HelloController.prototype, 'hello', Object.getOwnPropertyDescriptor(HelloController.prototype, 'hello'));
Controller('hello')(HelloController);

class NoopInterceptor {
  intercept(context, next) {
    return next.handle();
  }
}

// What no limiter of these answers can do without: it reads the address and writes the five fields, with nothing to find out.
const FIELDS = [
  ['RateLimit-Policy', '"default";q=1000;w=3600'],
  ['RateLimit', '"default";r=999;t=3597'],
  ['X-RateLimit-Limit', '1000'],
  ['X-RateLimit-Remaining', '999'],
  ['X-RateLimit-Reset', '1800000000'],
];

class FloorGuard {
  canActivate(context) {
    const response = context.getArgByIndex(1);
    if (context.getArgByIndex(0).ip === undefined) return false;
    if (response.setHeader === undefined) for (const [name, value] of FIELDS) response.header(name, value);
    else for (const [name, value] of FIELDS) response.setHeader(name, value);
    return true;
  }
}

const tokenBucket = (headers) => ({
  imports: [RateLimitModule.forRoot({ default: { capacity: LIMIT, perSeconds: SECONDS }, headers })],
});

const IN_ROOT_MODULE = {
  bare: {},
  noop: { providers: [{ provide: APP_INTERCEPTOR, useClass: NoopInterceptor }] },
  floor: { providers: [{ provide: APP_GUARD, useClass: FloorGuard }] },
  throttler: {
    imports: [throttler.ThrottlerModule.forRoot([{ ttl: SECONDS * 1000, limit: LIMIT }])],
    providers: [{ provide: APP_GUARD, useClass: throttler.ThrottlerGuard }],
  },
  guard: tokenBucket({ writtenBy: 'guard' }),
  legacy: tokenBucket({ writtenBy: 'guard', standard: false }),
  interceptor: tokenBucket({ writtenBy: 'interceptor' }),
};

export function rootModule(variant) {
  class AppModule {}
  Module({ controllers: [HelloController], ...IN_ROOT_MODULE[variant] })(AppModule);
  return AppModule;
}
