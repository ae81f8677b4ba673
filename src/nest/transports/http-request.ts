import type { ExecutionContext } from '@nestjs/common';
import type { HttpRequest } from '../subjects/subject.js';

export function httpRequestOf(context: ExecutionContext): HttpRequest {
  return context.switchToHttp().getRequest<HttpRequest>();
}

/** Node's request, one object however many wrappers a platform makes: Fastify's own holds it as `raw`. */
export function rawRequestOf(context: ExecutionContext): object {
  const request = httpRequestOf(context);
  return request.raw ?? request;
}
