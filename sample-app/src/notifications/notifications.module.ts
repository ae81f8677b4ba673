import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { Mailer } from './mailer.js';
import { NotificationsController } from './notifications.controller.js';
import { Notifications } from './notifications.js';

@Module({ imports: [AuthModule], controllers: [NotificationsController], providers: [Notifications, Mailer] })
export class NotificationsModule {}
