import { Controller, Get } from '@nestjs/common';
import { SkipRateLimit } from 'nestjs-token-bucket';

@Controller('health')
export class HealthController {
  // Probes come often and from one address: no limit may make a healthy instance look sick.
  @Get()
  @SkipRateLimit()
  check(): { readonly status: string } {
    return { status: 'ok' };
  }
}
