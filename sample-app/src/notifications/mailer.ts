import { BadGatewayException, Injectable, Logger } from '@nestjs/common';

/** For the demonstration only: writes mails to the log. Nobody can be reached under `.invalid` (RFC 2606). */
@Injectable()
export class Mailer {
  private readonly logger = new Logger('Mailer');

  async send(recipient: string, text: string): Promise<void> {
    if (recipient.endsWith('.invalid'))
      throw new BadGatewayException('The mail server of the recipient does not answer.');
    this.logger.log(`To ${recipient}: ${text}`);
  }
}
