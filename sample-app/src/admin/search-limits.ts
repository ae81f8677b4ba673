import { Injectable } from '@nestjs/common';
import { RateLimitOverrides } from 'nestjs-token-bucket';
import type { User } from '../auth/accounts.js';
import { searchBucketOf } from '../search/search-limit.js';

/** What single users may search, whatever their plan says. Other instances follow within about a second. */
@Injectable()
export class SearchLimits {
  constructor(private readonly limits: RateLimitOverrides) {}

  /** @throws InvalidOverrideError for a number that no limit can have. */
  async set(user: User, perMinute: number): Promise<void> {
    const { policy, subject } = searchBucketOf(user);
    await this.limits.set(policy, subject, { capacity: perMinute, perSeconds: 60 });
  }

  /** Has the plan count again. Answers whether it did not. */
  async remove(user: User): Promise<boolean> {
    const { policy, subject } = searchBucketOf(user);
    return this.limits.remove(policy, subject);
  }
}
