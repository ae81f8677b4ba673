import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  NotFoundException,
  Param,
  Put,
  UseGuards,
} from '@nestjs/common';
import { InvalidOverrideError } from 'nestjs-token-bucket';
import { Accounts, type User } from '../auth/accounts.js';
import { AdminGuard } from '../auth/admin.guard.js';
import { TokenGuard } from '../auth/token.guard.js';
import { Denials } from '../denials/denials.js';
import { SearchLimits } from './search-limits.js';

@Controller('admin')
@UseGuards(TokenGuard, AdminGuard)
export class AdminController {
  constructor(
    private readonly accounts: Accounts,
    private readonly denials: Denials,
    private readonly searchLimits: SearchLimits,
  ) {}

  @Get('denials')
  deniedByRoute(): Readonly<Record<string, number>> {
    return this.denials.byRoute;
  }

  @Put('search-limits/:userId')
  @HttpCode(HttpStatus.NO_CONTENT)
  async set(
    @Param('userId') userId: string,
    @Body() { perMinute }: { readonly perMinute?: unknown } = {},
  ): Promise<void> {
    const user = this.userOf(userId);
    if (typeof perMinute !== 'number') throw new BadRequestException('Say how many: { "perMinute": 100 }.');
    try {
      await this.searchLimits.set(user, perMinute);
    } catch (error) {
      // Whoever asks is told what is wrong with the number.
      if (error instanceof InvalidOverrideError) throw new BadRequestException(error.message);
      throw error;
    }
  }

  @Delete('search-limits/:userId')
  async remove(@Param('userId') userId: string): Promise<{ readonly wasSet: boolean }> {
    return { wasSet: await this.searchLimits.remove(this.userOf(userId)) };
  }

  private userOf(userId: string): User {
    const user = this.accounts.userById(userId);
    if (user === undefined) throw new NotFoundException('There is no such user.');
    return user;
  }
}
