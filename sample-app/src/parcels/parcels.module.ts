import { type DynamicModule, Module } from '@nestjs/common';
import { Carrier } from './carrier.js';
import { CarrierAddress } from './carrier-address.js';
import { CarrierApi } from './carrier-api.js';
import { ParcelsController } from './parcels.controller.js';

@Module({ controllers: [ParcelsController], providers: [Carrier] })
export class ParcelsModule {
  /** @param carrierUrl of an API that runs already, which several instances may share. Left out: each starts a stand-in. */
  static register(carrierUrl?: string): DynamicModule {
    const carrier = carrierUrl === undefined ? { useClass: CarrierApi } : { useValue: { url: carrierUrl } };
    return { module: ParcelsModule, providers: [{ provide: CarrierAddress, ...carrier }] };
  }
}
