import type { ExecutionContext } from '@nestjs/common';
import { user } from 'nestjs-token-bucket';
import type { Plan, User } from '../auth/accounts.js';
import type { AuthenticatedRequest } from '../auth/authenticated-request.js';

/** Searches that each plan is good for. */
const TIERS: Readonly<Record<Plan, string>> = { free: '10/minute', pro: '60/minute' };

/** The shared policy `search`: by user, and with the numbers of the user's plan. A plan has buckets of its own. */
export const SEARCH = { by: user(), tiers: TIERS, tier: planOf };

/** Asked after authentication, because the limit is one by user: TokenGuard has let nobody pass whom it does not know. */
function planOf(context: ExecutionContext): Plan {
  return context.switchToHttp().getRequest<AuthenticatedRequest>().user?.plan ?? 'free';
}

/** How code names the bucket that searches of a user are charged to. */
export function searchBucketOf({ id, plan }: User): { readonly policy: string; readonly subject: string } {
  return { policy: `search.${plan}`, subject: `user:${id}` };
}
