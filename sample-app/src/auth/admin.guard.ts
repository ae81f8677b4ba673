import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import type { AuthenticatedRequest } from './authenticated-request.js';

/** Admits those whom TokenGuard, which must stand before it, has found to be administrators. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (user?.isAdmin !== true) throw new ForbiddenException('Only administrators may do that.');
    return true;
  }
}
