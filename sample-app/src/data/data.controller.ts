import { Controller, Get, Header } from '@nestjs/common';
import { Decision, RateLimit, RateLimitDecision } from 'nestjs-token-bucket';
import { HOME_PAGE } from './home-page.js';

interface Data {
  readonly message: string;
  readonly requestsLeft: number;
  readonly fullInSeconds: number;
}

// On the class: both routes share one bucket per address. Without a name: it takes the place of the module's default.
@Controller()
@RateLimit({ capacity: 10, refillTokens: 2, refillSeconds: 1 })
export class DataController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  home(): string {
    return HOME_PAGE;
  }

  // The decision that the header fields are made of; on a route without limits it would be undefined.
  @Get('data')
  data(@RateLimitDecision() { remaining, resetAfterMs }: Decision): Data {
    return { message: 'Here is your data.', requestsLeft: remaining, fullInSeconds: resetAfterMs / 1000 };
  }
}
