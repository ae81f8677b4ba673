import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestApplicationOptions } from '@nestjs/common';
import { AppModule, type AppModuleOptions } from './app.module.js';

export interface AppOptions extends AppModuleOptions, Pick<NestApplicationOptions, 'logger'> {}

/** The sample app, ready to listen. */
export function createApp({ storage, carrierUrl, ...nestOptions }: AppOptions = {}): Promise<NestExpressApplication> {
  return NestFactory.create<NestExpressApplication>(AppModule.register({ storage, carrierUrl }), {
    // A mistake in the configuration is thrown to the caller, be it main.ts or a test, instead of ending the process.
    abortOnError: false,
    ...nestOptions,
  });
}
