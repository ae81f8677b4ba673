import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { misconfigured } from '../core/errors.js';
import { RATE_LIMIT_OPTIONS } from './rate-limit.options.js';

/**
 * Options that depend on a request would leave every provider that needs them, guard and start-up check included, to be
 * made at some request, so nothing would be limited. This one does not need them, and is there to say so.
 */
@Injectable()
export class ScopeCheck implements OnModuleInit {
  constructor(@Inject(ModulesContainer) private readonly modules: ModulesContainer) {}

  onModuleInit(): void {
    for (const { providers } of this.modules.values()) {
      if (providers.get(RATE_LIMIT_OPTIONS)?.isDependencyTreeStatic() !== false) continue;
      misconfigured(
        'RateLimitModule.forRootAsync',
        'its options depend on a request-scoped provider, so there are none when the application starts',
        'inject only providers of the default scope; what a request says can choose the subject: { by: (context) => … }',
      );
    }
  }
}
