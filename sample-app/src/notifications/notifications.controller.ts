import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  UseGuards,
} from '@nestjs/common';
import { TokenGuard } from '../auth/token.guard.js';
import { Notifications, type Outcome } from './notifications.js';

interface Notification {
  readonly to: string;
  readonly text: string;
}

@Controller('notifications')
@UseGuards(TokenGuard)
export class NotificationsController {
  constructor(private readonly notifications: Notifications) {}

  // The answer to a mail that is held back is no 429: the recipient has had enough, the client has not asked too often.
  @Post()
  @HttpCode(HttpStatus.OK)
  send(@Body() { to, text = '' }: Partial<Notification> = {}): Promise<Outcome> {
    if (typeof to !== 'string' || !to.includes('@') || typeof text !== 'string') {
      throw new BadRequestException('Say to whom, and what: { "to": "ada@example.org", "text": "Hello" }.');
    }
    return this.notifications.send(to, text);
  }

  @Get('limits/:recipient')
  async look(@Param('recipient') recipient: string): Promise<{ readonly mailsLeft: number }> {
    return { mailsLeft: await this.notifications.mailsLeft(recipient) };
  }

  @Delete('limits/:recipient')
  @HttpCode(HttpStatus.NO_CONTENT)
  reset(@Param('recipient') recipient: string): Promise<void> {
    return this.notifications.reset(recipient);
  }
}
