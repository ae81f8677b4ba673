import { applyDecorators, Controller, Get, type Type } from '@nestjs/common';
import {
  RateLimitConfigurationError,
  type RateLimitModuleAsyncOptions,
  RateLimitModule,
  type RateLimitModuleOptions,
} from 'nestjs-token-bucket';
import { type AppSettings, startError } from './app.js';

/** The message with which the application refuses to start. Fails when it starts or throws anything else. */
async function mistakeIn(settings: () => AppSettings): Promise<string> {
  const error = await startError(settings);
  if (!(error instanceof RateLimitConfigurationError)) throw error;
  return error.message;
}

/** A row of a table of mistakes: what is written, then the place and what problem and remedy have to mention. */
export type MistakeRow = readonly [
  mistake: string,
  settings: () => AppSettings,
  place: string,
  value: string,
  remedy: string,
];

/**
 * To be run for every row: `it.each(rows)('%s', expectMistake)`. A message says where the mistake is written, what is
 * wrong and with which value, and what to do.
 */
export async function expectMistake(...[, settings, place, value, remedy]: MistakeRow): Promise<void> {
  const message = await mistakeIn(settings);
  expect(message.slice(0, place.length + 2)).toBe(`${place}: `);
  const [problem, advice, ...more] = message.slice(place.length + 2).split('. Remedy: ');
  expect(problem).toContain(value);
  expect(advice).toContain(remedy);
  expect(advice).toMatch(/\.$/);
  expect(more).toEqual([]);
}

type Decorator = MethodDecorator & ClassDecorator;

/** An application whose `ReportsController.list` carries these decorators. */
export function onMethod(decorators: readonly Decorator[], options?: RateLimitModuleOptions): AppSettings {
  return applicationOf([], decorators, options);
}

/** An application whose `ReportsController` carries these decorators, and its method `list` the others. */
export function onClass(
  decorators: readonly Decorator[],
  options?: RateLimitModuleOptions,
  ofMethod: readonly Decorator[] = [],
): AppSettings {
  return applicationOf(decorators, ofMethod, options);
}

/** An application with these options and one route without decorators. */
export function withOptions(options: RateLimitModuleOptions): AppSettings {
  return applicationOf([], [], options);
}

/** The same with options as a program without types would write them. */
export function loose(options: unknown): () => AppSettings {
  return () => withOptions(options as RateLimitModuleOptions);
}

/** The same with options that are made later. */
export function looseAsync(options: unknown): () => AppSettings {
  return () => ({ imports: [RateLimitModule.forRootAsync(options as RateLimitModuleAsyncOptions)] });
}

function applicationOf(
  ofClass: readonly Decorator[],
  ofMethod: readonly Decorator[],
  options?: RateLimitModuleOptions,
): AppSettings {
  return { imports: [RateLimitModule.forRoot(options)], controllers: [reportsController(ofClass, ofMethod)] };
}

function reportsController(ofClass: readonly Decorator[], ofMethod: readonly Decorator[]): Type {
  @Controller('reports')
  @applyDecorators(...ofClass)
  class ReportsController {
    @Get()
    @applyDecorators(...ofMethod)
    list(): string {
      return 'list';
    }
  }
  return ReportsController;
}
