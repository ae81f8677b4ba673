import { type ExecutionContext, Logger } from '@nestjs/common';
import type { Decision } from '../core/decision.js';
import { messageOf } from '../core/errors.js';
import type { Body } from './refusal-body.js';
import { isObject } from './subjects/is-object.js';
import { handlerName, isPromiseLike, kindOf } from './subjects/subject.js';

/** A function of the application that makes bodies of refusals. Whatever it gives instead, they are refusals all the same. */
export class OwnBody {
  private readonly logger = new Logger('RateLimit');
  private hasFailed = false;

  /** @param where the call that gave the option, for messages */
  constructor(
    private readonly make: (decision: Decision, context: ExecutionContext) => unknown,
    private readonly where: string,
  ) {}

  /** Undefined where the function gives none. */
  of(decision: Decision, context: ExecutionContext): Body | undefined {
    try {
      const body = this.make(decision, context);
      if (isBody(body)) return body;
      // It may fail later, which would be an unheard rejection.
      if (isPromiseLike(body)) Promise.resolve(body).catch(() => {});
      this.tellOnce(`it gave ${kindOf(body)} for ${handlerName(context)}; expected a text or an object, at once`);
    } catch (error) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.tellOnce(`it failed for ${handlerName(context)}: ${messageOf(error)}`, stack);
    }
    return undefined;
  }

  private tellOnce(problem: string, stack?: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.logger.error(
      `${this.where} body: ${problem}. Remedy: correct it, or use 'nest' or 'problem'. ` +
        "Such refusals have the body of 'nest'. This is said once.",
      stack,
    );
  }
}

function isBody(body: unknown): body is Body {
  return typeof body === 'string' || (isObject(body) && typeof body !== 'function' && !isPromiseLike(body));
}
