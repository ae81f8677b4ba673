import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { RateLimit } from 'nestjs-token-bucket';
import { TokenGuard } from '../auth/token.guard.js';

const DOCUMENTS = ['Sales of alice', 'Expenses of alice', 'Sales of bob', 'Expenses of bob'] as const;

interface Found {
  readonly found: readonly string[];
}

@Controller('search')
@UseGuards(TokenGuard)
export class SearchController {
  // The shared policy has a name that is not `default`, so the default counts these requests, too, per address.
  @Get()
  @RateLimit('search')
  search(@Query('q') text: unknown): Found {
    const wanted = typeof text === 'string' ? text.toLowerCase() : '';
    return { found: DOCUMENTS.filter((title) => title.toLowerCase().includes(wanted)) };
  }
}
