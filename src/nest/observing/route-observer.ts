import { type ExecutionContext, Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Charge } from '../../core/charge.js';
import type { Decision } from '../../core/decision.js';
import { isStorageFailure } from '../../core/errors.js';
import type { MaybePromise } from '../../core/storage.js';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from '../rate-limit.options.js';
import { handlerCallOf } from '../request-decisions.js';
import { handlerName } from '../subjects/subject.js';
import { clientLabel } from './client-label.js';
import { DenialLog } from './denial-log.js';
import { Hook } from './hook.js';
import { type RateLimitDecisionEvent, type RateLimitStorageFailureEvent, RequestEvent } from './request-events.js';

type Asked = Charge | readonly Charge[] | undefined;

/** Tells hooks and log what became of requests. Nothing it does changes an answer. */
@Injectable()
export class RouteObserver implements OnApplicationShutdown {
  /** Whether anybody wants to know of admitted requests. To be asked first, so that nothing else is done where nobody does. */
  readonly watchesAdmitted: boolean;
  private readonly onAllowed: Hook<RateLimitDecisionEvent> | undefined;
  private readonly onDenied: Hook<RateLimitDecisionEvent> | undefined;
  private readonly onStorageFailure: Hook<RateLimitStorageFailureEvent> | undefined;
  private readonly denials: DenialLog | undefined;

  constructor(@Inject(RATE_LIMIT_OPTIONS) { observing }: Pick<ResolvedRateLimitOptions, 'observing'>) {
    const logger = new Logger('RateLimit');
    const { hooks, denialSeconds } = observing;
    const toHook = <Event>(name: string, hook: ((event: Event) => unknown) | undefined): Hook<Event> | undefined =>
      hook === undefined ? undefined : new Hook(`hooks.${name}`, hook.bind(hooks), logger);
    this.onAllowed = toHook('onAllowed', hooks.onAllowed);
    this.onDenied = toHook('onDenied', hooks.onDenied);
    this.onStorageFailure = toHook('onStorageFailure', hooks.onStorageFailure);
    this.watchesAdmitted = this.onAllowed !== undefined || this.onStorageFailure !== undefined;
    if (denialSeconds !== undefined) this.denials = new DenialLog(denialSeconds, (line) => logger.warn(line));
  }

  /** To be called where {@link watchesAdmitted}, once all limits of a request have admitted it. */
  admitted(decision: Decision, context: ExecutionContext): void {
    const event = decided(decision, context);
    if (decision.isWithoutStorage) this.onStorageFailure?.tell(event);
    this.onAllowed?.tell(event);
  }

  denied(decision: Decision, context: ExecutionContext): void {
    if (this.onDenied !== undefined || this.onStorageFailure !== undefined) {
      const event = decided(decision, context);
      if (decision.isWithoutStorage) this.onStorageFailure?.tell(event);
      this.onDenied?.tell(event);
    }
    this.denials?.add(clientLabel(decision.mostRestrictive.subject), routeOf(context), decision);
  }

  /**
   * Errors other than those of the storage are no news of limits.
   * @param charges what was to be asked, as far as it is known
   */
  failed(error: unknown, charges: MaybePromise<Asked>, context: ExecutionContext): void {
    if (this.onStorageFailure === undefined || !isStorageFailure(error)) return;
    const tell = (known: Asked): void => {
      const [first] = [known].flat();
      const event = new RequestEvent(routeOf(context), context, () => first?.subject, undefined, error);
      this.onStorageFailure?.tell(event);
    };
    // Known by now, or never.
    if (charges instanceof Promise) void tellLate(charges, tell);
    else tell(charges);
  }

  onApplicationShutdown(): void {
    this.denials?.flush();
  }
}

function decided(decision: Decision, context: ExecutionContext): RequestEvent & { readonly decision: Decision } {
  const subject = (): string => decision.mostRestrictive.subject;
  return new RequestEvent(routeOf(context), context, subject, decision, undefined) as RequestEvent & {
    readonly decision: Decision;
  };
}

/** As the plan has it: a handler that was wrapped at run time may have another name. */
function routeOf(context: ExecutionContext): string {
  return handlerCallOf(context)?.plan.route ?? handlerName(context);
}

async function tellLate(charges: Promise<Asked>, tell: (known: Asked) => void): Promise<void> {
  tell(await charges.catch(() => undefined));
}
