import { type ArgumentsHost, Catch, type ExceptionFilter, type HttpException, Inject } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RateLimitExceededException, RateLimitUnavailableException } from './rate-limit.exception.js';

/**
 * Sends problem documents as text, because Nest 11 takes their media type from every object that it sends with an error
 * on Express. Mounted before all others, so it is asked last: filters of the application come first.
 */
@Catch(RateLimitExceededException, RateLimitUnavailableException)
export class ProblemFilter implements ExceptionFilter<HttpException> {
  constructor(@Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: HttpException, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const response = host.switchToHttp().getResponse<unknown>();
    if (httpAdapter.isHeadersSent(response)) httpAdapter.end(response);
    else httpAdapter.reply(response, JSON.stringify(exception.getResponse()), exception.getStatus());
  }
}
