import { Module } from '@nestjs/common';
import { Carrier } from './carrier.js';
import { CarrierApi } from './carrier-api.js';
import { ParcelsController } from './parcels.controller.js';

@Module({ controllers: [ParcelsController], providers: [Carrier, CarrierApi] })
export class ParcelsModule {}
