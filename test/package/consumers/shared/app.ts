import 'reflect-metadata';
import { Controller, type DynamicModule, Get } from '@nestjs/common';
import { header, RateLimit, RateLimitModule, SkipRateLimit } from 'nestjs-token-bucket';
import { RedisStorage } from 'nestjs-token-bucket/redis';

@Controller()
export class GreetingController {
  // The client names itself, so that runs against one Redis do not share a bucket.
  @Get('greeting')
  @RateLimit(2, 60, { by: header('x-client') })
  greet(): string {
    return 'hello';
  }

  @Get('default')
  byDefault(): string {
    return 'limited by address';
  }

  @Get('free')
  @SkipRateLimit()
  free(): string {
    return 'not limited';
  }
}

class AppModule {}

/** The application on memory, or on Redis where a URL is given. */
export function appModule(redisUrl?: string): DynamicModule {
  const storage = redisUrl === undefined ? {} : { storage: new RedisStorage({ url: redisUrl }) };
  return {
    module: AppModule,
    // Problem documents, because the versions of Nest send the media type of an error's body differently.
    imports: [RateLimitModule.forRoot({ ...storage, default: { capacity: 100, perSeconds: 60 }, body: 'problem' })],
    controllers: [GreetingController],
  };
}
