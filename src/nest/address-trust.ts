import { Injectable } from '@nestjs/common';
import type { RoutePlan } from './route-plan.js';
import type { HttpRequest } from './subjects/subject.js';

/** Placeholder until the trust probes land. */
@Injectable()
export class AddressTrust {
  checkAtStart(_plan: RoutePlan): void {}
  watch(_request: HttpRequest): void {}
}
