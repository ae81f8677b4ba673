import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { RATE_LIMIT_OPTIONS, type ResolvedRateLimitOptions } from '../rate-limit.options.js';
import { RoutePlans } from '../route-plan.js';
import { policyRows } from './policy-rows.js';
import { routesOf } from './route-list.js';

/** Tells which limits every route has, once the application has started. */
@Injectable()
export class PolicyTable implements OnApplicationBootstrap {
  constructor(
    @Inject(RATE_LIMIT_OPTIONS) private readonly options: ResolvedRateLimitOptions,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(RoutePlans) private readonly plans: RoutePlans,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.options.observing.logPolicies) return;
    const rows = this.rows();
    new Logger('RateLimit').log(['Limits of all routes:', ...aligned(rows)].join('\n'));
  }

  private rows(): readonly (readonly string[])[] {
    const rows: string[][] = [];
    for (const { method, path, controller, name, handler } of routesOf(this.modules, this.config)) {
      const route = [method, path, `${controller.name}.${name}`];
      const plan = this.plans.of(controller, handler, name);
      const [first = ['unlimited'], ...others] = plan === undefined ? [] : policyRows(plan);
      rows.push([...route, ...first], ...others.map((other) => ['', '', '', ...other]));
    }
    return rows;
  }
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
}
