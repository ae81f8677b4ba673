import { Module } from '@nestjs/common';
import { Denials } from './denials.js';

@Module({ providers: [Denials], exports: [Denials] })
export class DenialsModule {}
