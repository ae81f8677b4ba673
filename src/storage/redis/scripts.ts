import { createHash } from 'node:crypto';
import type { RedisClient } from './client.js';
import consume from './consume.lua.js';
import peek from './peek.lua.js';
import probe from './probe.lua.js';
import refund from './refund.lua.js';
import type { Question } from './question.js';
import state from './state.lua.js';

/** A Lua script of constant text, called by its digest. */
export class Script {
  private readonly sha1: string;

  constructor(private readonly text: string) {
    this.sha1 = createHash('sha1').update(text).digest('hex');
  }

  /**
   * One round trip. A server that does not know the script (restarted, flushed, new) says so before it runs anything,
   * so then, and only then, it is asked again with the text; and no longer when nobody waits for the answer.
   */
  put(client: RedisClient, keyCount: number, keysAndArguments: readonly string[], question: Question): void {
    const { sha1, text } = this;
    client.evalsha(sha1, keyCount, ...keysAndArguments).then(question.answer, (error: unknown) => {
      if (!isNoScript(error) || !question.isAwaited) question.fail(error);
      else client.eval(text, keyCount, ...keysAndArguments).then(question.answer, question.fail);
    });
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

export const CONSUME = new Script(state + consume);
export const PEEK = new Script(state + peek);
export const REFUND = new Script(state + refund);
export const PROBE = probe;
