import { BadRequestException, Body, Controller, HttpCode, HttpStatus, Post, UseGuards } from '@nestjs/common';
import { RateLimit, user } from 'nestjs-token-bucket';
import { TokenGuard } from '../auth/token.guard.js';
import { estimatedTokens, tokensUsed } from './completion-cost.js';
import { type Completion, LanguageModel } from './language-model.js';

@Controller('complete')
@UseGuards(TokenGuard)
export class CompletionsController {
  constructor(private readonly model: LanguageModel) {}

  // Counts tokens of the model instead of requests. An answer may be longer than the estimate: the bucket then owes up to
  // 400 tokens, and its user waits until they have come in.
  @Post()
  @HttpCode(HttpStatus.OK)
  @RateLimit(1000, 60, { name: 'tokens', by: user(), cost: estimatedTokens, settle: tokensUsed, maxDebt: 400 })
  complete(@Body() { prompt }: { readonly prompt?: unknown } = {}): Promise<Completion> {
    if (typeof prompt !== 'string' || prompt.trim() === '') {
      throw new BadRequestException('Say what to write: { "prompt": "Write 300 words." }.');
    }
    return this.model.complete(prompt);
  }
}
