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

const tokenBucket = (headers) => ({
  imports: [RateLimitModule.forRoot({ default: { capacity: LIMIT, perSeconds: SECONDS }, headers })],
});

const IN_ROOT_MODULE = {
  bare: {},
  noop: { providers: [{ provide: APP_INTERCEPTOR, useClass: NoopInterceptor }] },
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
