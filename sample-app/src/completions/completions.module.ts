import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { CompletionsController } from './completions.controller.js';
import { LanguageModel } from './language-model.js';

@Module({ imports: [AuthModule], controllers: [CompletionsController], providers: [LanguageModel] })
export class CompletionsModule {}
