import { ServerResponse } from 'node:http';
import type { HttpAdapterHost } from '@nestjs/core';
import type { Decision } from '../../core/decision.js';
import type { RateLimitStorage } from '../../core/storage.js';
import type { HeaderFields } from './fields.js';
import { headerFields, RATE_LIMIT_HEADERS } from './header-fields.js';
import type { ResolvedHeadersOptions } from './headers.options.js';
import { unavailableFields } from './retry-after.js';

/** The only one that touches a response: sets each field once, on any platform, or nothing if the headers are sent. */
export class HeaderWriter {
  private readonly unixMicros = (nowMicros: number): number => this.storage.unixMicros(nowMicros);

  /** @param adapterHost asked at every write, because the adapter is set after injection. */
  constructor(
    private readonly adapterHost: Pick<HttpAdapterHost, 'httpAdapter'>,
    private readonly options: ResolvedHeadersOptions,
    private readonly storage: Pick<RateLimitStorage, 'unixMicros'>,
  ) {}

  /**
   * The limits of this request and, if it is refused, how long to wait.
   * @param laterSeconds so much longer than it has to
   */
  writeDecision(response: unknown, decision: Decision, laterSeconds = 0): void {
    if (canWrite(response)) this.write(response, headerFields(decision, this.options, this.unixMicros, laterSeconds));
  }

  /** Of an answer 503, because the storage failed: no RateLimit fields, since stale numbers are worse than none. */
  writeUnavailable(response: unknown, laterSeconds = 0): void {
    if (canWrite(response)) this.write(response, unavailableFields(this.options.retryAfter, laterSeconds));
  }

  private write(response: object, fields: HeaderFields): void {
    if (isNodes(response)) writeNodes(response, fields);
    else this.writeWrapped(response, fields);
  }

  private writeWrapped(response: object, fields: HeaderFields): void {
    const { httpAdapter } = this.adapterHost;
    if (httpAdapter.isHeadersSent(response)) return;
    for (const [name, value] of fields) httpAdapter.setHeader(response, LOWER_CASE.get(name) ?? name, value);
  }
}

function canWrite(response: unknown): response is object {
  return typeof response === 'object' && response !== null;
}

type NodesResponse = Pick<ServerResponse, 'setHeader' | 'headersSent'>;

/** By class first: Express gives every response a hidden class of its own, so each look at a property is a slow one. */
function isNodes(response: object): response is NodesResponse {
  return response instanceof ServerResponse || 'setHeader' in response;
}

/** Past Express' own setter, which compares every name with Content-Type; and Node's is looked up once, for the same reason. */
function writeNodes(response: NodesResponse, fields: HeaderFields): void {
  const { setHeader } = response;
  try {
    for (const [name, value] of fields) setHeader.call(response, name, value);
  } catch (error) {
    // Node refuses the first field already; an answer that is under way must not be turned into an error.
    if (!response.headersSent) throw error;
  }
}

// Fastify keeps every name in lower case, and each text made for that has to be looked up among all names of properties.
const LOWER_CASE = new Map([...RATE_LIMIT_HEADERS, 'Cache-Control'].map((name) => [name, name.toLowerCase()]));
