import { randomUUID } from 'node:crypto';
import { Controller, HttpCode, HttpStatus, Post } from '@nestjs/common';
import { RateLimit } from 'nestjs-token-bucket';

// Both routes name the shared policy `exports` of the application module, so five requests a minute are for the two of
// them together. Its name is not `default`, so the default counts these requests as well.
@Controller('exports')
export class ExportsController {
  @Post()
  @HttpCode(HttpStatus.ACCEPTED)
  @RateLimit('exports')
  create(): { readonly exportId: string } {
    return { exportId: randomUUID() };
  }

  @Post('preview')
  @HttpCode(HttpStatus.OK)
  @RateLimit('exports')
  preview(): { readonly firstRows: readonly string[] } {
    return { firstRows: ['id,name', '1,Ada', '2,Grace'] };
  }
}
