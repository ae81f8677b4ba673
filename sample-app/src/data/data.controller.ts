import { Controller, Get, Header } from '@nestjs/common';
import { RateLimit } from 'nestjs-token-bucket';
import { HOME_PAGE } from './home-page.js';

// On the class: both routes share one bucket per address. Without a name: it takes the place of the module's default.
@Controller()
@RateLimit({ capacity: 10, refillTokens: 2, refillSeconds: 1 })
export class DataController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  home(): string {
    return HOME_PAGE;
  }

  @Get('data')
  data(): { readonly message: string } {
    return { message: 'Here is your data. The header fields say how many more requests you may send.' };
  }
}
