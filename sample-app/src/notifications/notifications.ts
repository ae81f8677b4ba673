import { Injectable } from '@nestjs/common';
import { type BucketRequest, RateLimiter } from 'nestjs-token-bucket';
import { Mailer } from './mailer.js';

export type Outcome =
  { readonly sent: true; readonly mailsLeft: number } | { readonly sent: false; readonly retryAfterSeconds: number };

/** Sends mails, but no recipient more than the policy `mails` allows, whoever asks for them. Knows nothing of HTTP. */
@Injectable()
export class Notifications {
  constructor(
    private readonly limiter: RateLimiter,
    private readonly mailer: Mailer,
  ) {}

  async send(recipient: string, text: string): Promise<Outcome> {
    const decision = await this.limiter.consume(bucketOf(recipient));
    // The decision itself is always truthy.
    if (!decision.allowed) return { sent: false, retryAfterSeconds: Math.ceil(decision.retryAfterMs / 1000) };
    try {
      await this.mailer.send(recipient, text);
    } catch (error) {
      // What was not sent must not count.
      for (const receipt of decision.receipts) await this.limiter.refund(receipt);
      throw error;
    }
    return { sent: true, mailsLeft: decision.remaining };
  }

  /** How many mails the recipient may be sent now. Takes nothing. */
  async mailsLeft(recipient: string): Promise<number> {
    const { remaining } = await this.limiter.peek(bucketOf(recipient));
    return remaining;
  }

  /** Forgets what the recipient has been sent. */
  async reset(recipient: string): Promise<void> {
    await this.limiter.reset(bucketOf(recipient));
  }
}

/** One spelling for each recipient, or another one would be another bucket. */
function bucketOf(recipient: string): BucketRequest {
  return { policy: 'mails', subject: `mail:${recipient.toLowerCase()}` };
}
