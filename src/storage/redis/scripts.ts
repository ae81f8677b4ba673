import { createHash } from 'node:crypto';
import consume from './consume.lua.js';
import peek from './peek.lua.js';
import probe from './probe.lua.js';
import type { RedisClient } from './client.js';
import refund from './refund.lua.js';
import state from './state.lua.js';

/** A Lua script of constant text, called by its digest. */
export class Script {
  private readonly sha1: string;

  constructor(private readonly text: string) {
    this.sha1 = createHash('sha1').update(text).digest('hex');
  }

  /**
   * One round trip. A server that does not know the script (restarted, flushed, new) says so before it runs anything,
   * so only then is it sent again, with its text; and no longer when nobody waits for the answer.
   */
  run(client: RedisClient, keys: readonly string[], args: readonly string[], awaited: () => boolean): Promise<unknown> {
    return client.evalsha(this.sha1, keys.length, ...keys, ...args).catch((error: unknown) => {
      if (!isNoScript(error) || !awaited()) throw error;
      return client.eval(this.text, keys.length, ...keys, ...args);
    });
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

export const CONSUME = new Script(state + consume);
export const PEEK = new Script(state + peek);
export const REFUND = new Script(state + refund);
export const PROBE = new Script(probe);
