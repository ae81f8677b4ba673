import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import { Accounts } from './accounts.js';
import type { AuthenticatedRequest } from './authenticated-request.js';

const BEARER = /^Bearer +(\S+)$/i;

/** Admits requests with the token of a known user, and puts the user on the request. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly accounts: Accounts) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) throw new UnauthorizedException('Send a token: "Authorization: Bearer <token>".');
    request.user = this.accounts.userOfToken(token);
    if (request.user === undefined) throw new UnauthorizedException('Unknown token.');
    return true;
  }
}
