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

  // Slows down the guessing of passwords: an attempt is charged when it comes, so that many at a time do not get past the
  // limit, and given back when the password was right. The name makes the limit come on top of the default: an address that has used up its
  // hundred requests cannot go on with attempts to log in. Without the name it would have a bucket apart from the default.
  @Post()
  @HttpCode(HttpStatus.OK)
  @RateLimit(5, 60, { name: 'login', refundIf: ({ status }) => status < 400 })
  login(@Body() { username = '', password = '' }: Partial<Credentials> = {}): { readonly token: string } {
    const token = this.accounts.tokenFor(username, password);
    if (token === undefined) throw new UnauthorizedException('Unknown user or wrong password.');
    return { token };
  }
}
