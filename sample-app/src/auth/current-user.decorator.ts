import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { User } from './accounts.js';
import type { AuthenticatedRequest } from './authenticated-request.js';

/** Hands the user that TokenGuard has found to a handler parameter. */
export const CurrentUser = createParamDecorator(
  (_data: unknown, context: ExecutionContext): User | undefined =>
    context.switchToHttp().getRequest<AuthenticatedRequest>().user,
);
