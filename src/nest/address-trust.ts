import { Inject, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { PlannedLimit } from './planned-limit.js';
import type { RoutePlan } from './route-plan.js';
import {
  ForwardedHeaderWatch,
  type ProxyTrust,
  proxyTrust,
  trustOf,
  unlimitedTrustError,
} from './subjects/proxy-trust.js';
import type { HttpRequest } from './subjects/subject.js';

/** Makes sure that limits by address see an address that the client cannot choose. */
@Injectable()
export class AddressTrust {
  private readonly watch = new ForwardedHeaderWatch((message) => new Logger('RateLimit').warn(message));
  private trust: ProxyTrust = 'unknown';
  private triedRequest = false;

  constructor(@Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost) {}

  /** @throws RateLimitConfigurationError when the platform shows at start that it believes everybody. */
  checkAtStart({ guard, interceptor }: RoutePlan): void {
    for (const planned of [...guard, ...interceptor]) {
      if (planned.byAddress === undefined) continue;
      if (this.trust === 'unknown') this.trust = proxyTrust(this.adapterHost.httpAdapter);
      this.rejectUnlimited(planned);
    }
  }

  /** To be shown every request that is limited by address: what start could not tell, the first forwarded one can. */
  check(request: HttpRequest, planned: PlannedLimit): void {
    if (!this.triedRequest && request.headers['x-forwarded-for'] !== undefined) this.tryRequest(request);
    this.rejectUnlimited(planned);
    this.watch.check(request);
  }

  /** Also where start showed something: the setting may have been changed since. */
  private tryRequest(request: HttpRequest): void {
    this.triedRequest = true;
    const trust = trustOf(request);
    if (trust !== 'unknown') this.trust = trust;
  }

  private rejectUnlimited({ byAddress = '', where }: PlannedLimit): void {
    if (this.trust === 'unlimited') throw unlimitedTrustError(byAddress, where);
  }
}
