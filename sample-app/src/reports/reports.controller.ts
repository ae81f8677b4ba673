import { Controller, Get, UseGuards } from '@nestjs/common';
import { RateLimit, user } from 'nestjs-token-bucket';
import type { User } from '../auth/accounts.js';
import { CurrentUser } from '../auth/current-user.decorator.js';
import { TokenGuard } from '../auth/token.guard.js';

interface Reports {
  readonly userId: string;
  readonly reports: readonly string[];
}

@Controller('reports')
@UseGuards(TokenGuard)
export class ReportsController {
  // The name makes this limit come on top of the default instead of replacing it, and both are needed here: `user()` is
  // known only after TokenGuard, so requests that it answers with 401 are counted by the default alone, per address.
  @Get()
  @RateLimit(30, 60, { name: 'per-user', by: user() })
  list(@CurrentUser() { id, name }: User): Reports {
    return { userId: id, reports: [`Sales of ${name}`, `Expenses of ${name}`] };
  }
}
