import type { User } from './accounts.js';

/** What the authentication reads of a request and leaves on it. `user()` of nestjs-token-bucket reads `user`, too. */
export interface AuthenticatedRequest {
  readonly headers: { readonly authorization?: string };
  user?: User;
}
