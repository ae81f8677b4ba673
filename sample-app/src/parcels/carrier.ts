import { BadGatewayException, Injectable } from '@nestjs/common';
import { WaitForRateLimit } from 'nestjs-token-bucket';
import { CarrierAddress } from './carrier-address.js';

export interface Parcel {
  readonly id: string;
  readonly state: string;
}

/** Asks the carrier, never faster than the policy `carrier` says, so that it never answers 429. */
@Injectable()
export class Carrier {
  constructor(private readonly api: CarrierAddress) {}

  // Who comes when 10 seconds are not enough is told so at once.
  @WaitForRateLimit('carrier', { maxWaitMs: 10_000 })
  async find(id: string): Promise<Parcel> {
    const answer = await fetch(`${this.api.url}/parcels/${encodeURIComponent(id)}`);
    if (!answer.ok) throw new BadGatewayException(`The carrier answered ${answer.status}.`);
    return (await answer.json()) as Parcel;
  }
}
