import { Injectable } from '@nestjs/common';
import type { RateLimitDecisionEvent } from 'nestjs-token-bucket';

/** How many requests this instance has denied, by route: the handlers of the application bound their number. */
@Injectable()
export class Denials {
  private readonly countByRoute = new Map<string, number>();

  count({ route }: RateLimitDecisionEvent): void {
    this.countByRoute.set(route, (this.countByRoute.get(route) ?? 0) + 1);
  }

  get byRoute(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.countByRoute);
  }
}
