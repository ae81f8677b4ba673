export interface Example {
  readonly route: string;
  readonly limit: string;
  readonly curl: string;
  /** What the command is answered while tokens are left, where that is not 200. `npm run check:sample` holds it to that. */
  readonly status?: number;
}
