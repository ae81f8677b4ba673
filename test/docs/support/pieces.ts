/**
 * What a block without imports may name as if it had imported or made it. One that imports anything is a whole file and
 * has to import everything.
 */
export const NAMES_OF_PIECES = [
  "import { type ExecutionContext, Injectable } from '@nestjs/common';",
  "import type { NestExpressApplication } from '@nestjs/platform-express';",
  "import { FastifyAdapter } from '@nestjs/platform-fastify';",
  "import { Test } from '@nestjs/testing';",
  "import { afterAuthentication, everyone } from 'nestjs-token-bucket';",
  "import type { RateLimitModuleOptions, RateLimitOptionsFactory } from 'nestjs-token-bucket';",
  "import { type Bucket, type Charge, type Decision, firstOf, fromAddresses, header } from 'nestjs-token-bucket';",
  "import { type HttpRequest, ip, type MaybePromise } from 'nestjs-token-bucket';",
  "import { MemoryStorage, RateLimit, type RateLimiter, RateLimitModule, RateLimitStorage } from 'nestjs-token-bucket';",
  "import { type Owed, Policy, StorageFailureError, type StorageReply, user } from 'nestjs-token-bucket';",
  "import { RedisStorage } from 'nestjs-token-bucket/redis';",
  "import { ManualClock, storageContract, withManualClock, withoutRateLimits } from 'nestjs-token-bucket/testing';",
  'declare const app: NestExpressApplication;',
  'declare const limiter: RateLimiter;',
  "import { EVERY_SUBJECT, type OverrideStore, type RateLimitOverrides } from 'nestjs-token-bucket';",
  'declare const limits: RateLimitOverrides;',
  "import { getRateLimiterToken, type PolicyLimiter, WaitTooLongError } from 'nestjs-token-bucket';",
  'declare const policyLimiter: PolicyLimiter;',
  'declare class AppModule {}',
  'declare class LimitsModule {}',
  'declare class MyStorage extends MemoryStorage {}',
  // Of @nestjs/config, which nothing else here needs.
  'declare class ConfigModule {}',
  'declare class ConfigService { get<T>(name: string): T | undefined; }',
].join(' ');
