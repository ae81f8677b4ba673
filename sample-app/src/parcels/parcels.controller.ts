import { Controller, Get, Param, ServiceUnavailableException } from '@nestjs/common';
import { WaitTooLongError } from 'nestjs-token-bucket';
import { Carrier, type Parcel } from './carrier.js';

@Controller('parcels')
export class ParcelsController {
  constructor(private readonly carrier: Carrier) {}

  @Get(':id')
  async find(@Param('id') id: string): Promise<Parcel> {
    try {
      return await this.carrier.find(id);
    } catch (error) {
      // No 429: it is not this client who has asked too often.
      if (error instanceof WaitTooLongError) throw new ServiceUnavailableException('Too many ask for their parcels.');
      throw error;
    }
  }
}
