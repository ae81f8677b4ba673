import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SearchController } from './search.controller.js';

@Module({ imports: [AuthModule], controllers: [SearchController] })
export class SearchModule {}
