import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ExecutionContext } from '@nestjs/common';
import type { HttpRequest } from '../subjects/subject.js';

/** Whether an HTTP request is being handled. Libraries that call handlers by themselves often leave the type at `http`. */
export function isHttp(context: ExecutionContext): boolean {
  if (context.getType() !== 'http') return false;
  const request: unknown = httpRequestOf(context);
  return isNodes(request) || (typeof request === 'object' && request !== null && 'headers' in request);
}

/** Asked first, because Express gives every request a hidden class of its own: each look at a property is a slow one. */
function isNodes(request: unknown): boolean {
  return request instanceof IncomingMessage;
}

// By index: switchToHttp would make three functions and write them to the context at every call.
export function httpRequestOf(context: ExecutionContext): HttpRequest {
  return context.getArgByIndex<HttpRequest>(0);
}

export function httpResponseOf(context: ExecutionContext): unknown {
  return context.getArgByIndex<unknown>(1);
}

/**
 * Node's request, one object however many wrappers a platform makes. Express' is Node's own, a stream, on which anybody
 * may have set a `raw`; Fastify's is none and holds Node's as `raw`.
 */
export function rawRequestOf(context: ExecutionContext): object {
  const request = httpRequestOf(context);
  return isNodes(request) || 'pipe' in request ? request : (request.raw ?? request);
}

/** The status that the answer has so far. */
export function httpStatusOf(context: ExecutionContext): number {
  return (httpResponseOf(context) as { readonly statusCode: number }).statusCode;
}

/** Calls back with the status when the answer has been handed to the network; not for a client that left before. */
export function onceAnswered(context: ExecutionContext, callback: (status: number) => void): void {
  const raw = rawResponseOf(context);
  raw.once('finish', () => callback(raw.statusCode));
}

/** What is to be called when a connection is closed: one listener for all, because many requests may be pipelined on it. */
const watches = new WeakMap<Socket, Set<() => void>>();

/** Calls back when the client leaves before it has its answer. The function that it answers ends the watch. */
export function whenGone(context: ExecutionContext, callback: () => void): () => void {
  const raw = rawResponseOf(context);
  // Of an answer that others have to come before, Node closes nothing when the connection is.
  const { socket } = rawRequestOf(context) as Partial<IncomingMessage>;
  // It may have left while something else was awaited.
  if (raw.destroyed || socket?.destroyed === true) callback();
  raw.once('close', callback);
  const actions = socket == null ? undefined : actionsOnClose(socket);
  actions?.add(callback);
  return () => {
    raw.off('close', callback);
    actions?.delete(callback);
  };
}

function actionsOnClose(socket: Socket): Set<() => void> {
  let actions = watches.get(socket);
  if (actions === undefined) {
    const made = new Set<() => void>();
    actions = made;
    watches.set(socket, made);
    socket.once('close', () => made.forEach((action) => action()));
  }
  return actions;
}

function rawResponseOf(context: ExecutionContext): ServerResponse {
  const response = httpResponseOf(context) as ServerResponse | { readonly raw: ServerResponse };
  return response instanceof ServerResponse || !('raw' in response) ? response : response.raw;
}
