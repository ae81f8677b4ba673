import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { DenialsModule } from '../denials/denials.module.js';
import { AdminController } from './admin.controller.js';
import { SearchLimits } from './search-limits.js';

@Module({ imports: [AuthModule, DenialsModule], controllers: [AdminController], providers: [SearchLimits] })
export class AdminModule {}
