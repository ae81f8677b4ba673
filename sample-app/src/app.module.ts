import { type DynamicModule, Module } from '@nestjs/common';
import { RateLimitModule, type RateLimitStorage } from 'nestjs-token-bucket';
import { AdminModule } from './admin/admin.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CompletionsModule } from './completions/completions.module.js';
import { DataModule } from './data/data.module.js';
import { Denials } from './denials/denials.js';
import { DenialsModule } from './denials/denials.module.js';
import { ExportsModule } from './exports/exports.module.js';
import { HealthModule } from './health/health.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { ParcelsModule } from './parcels/parcels.module.js';
import { ReportsModule } from './reports/reports.module.js';
import { SEARCH } from './search/search-limit.js';
import { SearchModule } from './search/search.module.js';

export interface AppModuleOptions {
  /** Where buckets are kept. Default: the memory of this process. */
  readonly storage?: RateLimitStorage | undefined;
  /** The carrier's API, such as one that all instances share. Default: each starts a stand-in of its own. */
  readonly carrierUrl?: string | undefined;
}

@Module({
  imports: [
    AdminModule,
    AuthModule,
    CompletionsModule,
    DataModule,
    ExportsModule,
    HealthModule,
    NotificationsModule,
    ReportsModule,
    SearchModule,
  ],
})
export class AppModule {
  static register({ storage, carrierUrl }: AppModuleOptions): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ParcelsModule.register(carrierUrl),
        // Without anything to inject, RateLimitModule.forRoot({ … }) takes the same options.
        RateLimitModule.forRootAsync({
          imports: [DenialsModule],
          inject: [Denials],
          useFactory: (denials: Denials) => ({
            storage,
            // One bucket per address over all routes, except those that replace the limit `default` or skip it.
            default: { capacity: 100, perSeconds: 60 },
            policies: {
              // One bucket per address over the routes that name the policy, and over no others.
              exports: { capacity: 5, perSeconds: 60 },
              // By user, as many as the user's plan says.
              search: SEARCH,
              // Named by no route: Notifications asks for it, with the recipient of a mail as the subject.
              mails: { capacity: 3, perSeconds: 60, usedInCode: true },
              // For calls of somebody else's API, which wait for it. The carrier allows 20 in any second: 4 + 10 × (1 + 0.6),
              // so that calls may also be up to 0.6 seconds late on their way.
              carrier: { capacity: 4, refillTokens: 10, refillSeconds: 1 },
            },
            // Lets administrators change the limits of single users while the application runs.
            overrides: true,
            hooks: { onDenied: (event) => denials.count(event) },
          }),
        }),
      ],
    };
  }
}
