import { Body, Controller, HttpCode, HttpStatus, Post, UnauthorizedException } from '@nestjs/common';
import { RateLimit } from 'nestjs-token-bucket';
import { Accounts } from './accounts.js';

interface Credentials {
  readonly username: string;
  readonly password: string;
}

@Controller('login')
export class LoginController {
  constructor(private readonly accounts: Accounts) {}

  // Slows down the guessing of passwords. The name makes it come on top of the default: an address that has used up its
  // hundred requests cannot go on with attempts to log in. Without the name it would have a bucket apart from the default.
  @Post()
  @HttpCode(HttpStatus.OK)
  @RateLimit(5, 60, { name: 'login' })
  login(@Body() { username = '', password = '' }: Partial<Credentials> = {}): { readonly token: string } {
    const token = this.accounts.tokenFor(username, password);
    if (token === undefined) throw new UnauthorizedException('Unknown user or wrong password.');
    return { token };
  }
}
