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

/** Makes sure that limits which say that they go by address see one that the client cannot choose. */
@Injectable()
export class AddressTrust {
  private readonly watch = new ForwardedHeaderWatch((message) => new Logger('RateLimit').warn(message));
  private atStart: ProxyTrust | undefined;

  constructor(@Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost) {}

  /** @throws RateLimitConfigurationError when the platform shows at start that it believes everybody. */
  checkAtStart({ guard, interceptor }: RoutePlan): void {
    for (const planned of [...guard, ...interceptor]) {
      if (planned.byAddress === undefined) continue;
      this.atStart ??= proxyTrust(this.adapterHost.httpAdapter);
      rejectUnlimited(this.atStart, planned);
    }
  }

  /** To be shown every request that is limited by address: start may not have shown it, or the setting has been changed since. */
  check(request: HttpRequest, planned: PlannedLimit): void {
    rejectUnlimited(trustOf(request), planned);
    this.watch.check(request);
  }
}

function rejectUnlimited(trust: ProxyTrust, { byAddress = '', where }: PlannedLimit): void {
  if (trust === 'unlimited') throw unlimitedTrustError(byAddress, where);
}
