import type { ExecutionContext } from '@nestjs/common';
import type { RequestOutcome } from 'nestjs-token-bucket';
import { type Completion, tokensOf } from './language-model.js';

/** What an answer takes, as far as that can be known before there is one. */
const USUAL_ANSWER_TOKENS = 100;

/** Charged before the model is asked, so that nobody gets past the limit with many requests at a time. */
export function estimatedTokens(context: ExecutionContext): number {
  const { body } = context.switchToHttp().getRequest<{ body?: { prompt?: unknown } }>();
  const prompt = body?.prompt;
  // Nobody has checked the body yet.
  return tokensOf(typeof prompt === 'string' ? prompt : '') + USUAL_ANSWER_TOKENS;
}

/** What the request is to have cost in the end: nothing where the model did not answer. */
export function tokensUsed({ result, error }: RequestOutcome): number {
  return error === undefined ? (result as Completion).tokensUsed : 0;
}
