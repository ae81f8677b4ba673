import { createHash } from 'node:crypto';
import cancel from './cancel.lua.js';
import type { RedisClient } from './client.js';
import consume from './consume.lua.js';
import counters from './counters.lua.js';
import log from './log.lua.js';
import overrideRead from './override-read.lua.js';
import overrideWrite from './override-write.lua.js';
import owe from './owe.lua.js';
import peek from './peek.lua.js';
import probe from './probe.lua.js';
import type { Sent } from './question.js';
import refund from './refund.lua.js';
import state from './state.lua.js';
import windows from './windows.lua.js';

/** What a script is given. */
export interface Message {
  readonly keyCount: number;
  /** KEYS, then ARGV. */
  readonly input: readonly string[];
}

/** A Lua script of constant text, called by its digest. */
export class Script {
  private readonly sha1: string;

  constructor(private readonly text: string) {
    this.sha1 = createHash('sha1').update(text).digest('hex');
  }

  /**
   * One round trip. A server that does not know the script (restarted, flushed, new) says so before it runs anything,
   * so then, and only then, it is asked again with the text; and no longer when nobody waits for the answer.
   *
   * @param message asked for each time it is sent, because somebody may have stopped waiting meanwhile.
   */
  put(client: RedisClient, message: () => Message, sent: Sent): void {
    const { keyCount, input } = message();
    client.evalsha(this.sha1, keyCount, ...input).then(sent.answer, (error: unknown) => {
      if (isNoScript(error) && sent.isAwaited) this.putText(client, message(), sent);
      else sent.fail(error);
    });
  }

  /** At once with its text: for what must not be overtaken while the server is asked whether it knows the script. */
  putText(client: RedisClient, { keyCount, input }: Message, sent: Sent): void {
    client.eval(this.text, keyCount, ...input).then(sent.answer, sent.fail);
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** How buckets are read and written, which stands before all that do. */
const buckets = state + log + counters + windows;

/** Of token buckets alone. Redis takes a twentieth less time over a call when it need not build what is not used. */
export const CONSUME_TOKENS = new Script(state + consume);
export const CONSUME = new Script(buckets + consume);
export const PEEK = new Script(buckets + peek);
export const REFUND = new Script(buckets + refund);
export const CANCEL = new Script(buckets + cancel);
export const OWE = new Script(buckets + owe);
export const PROBE = new Script(probe);
export const OVERRIDE_READ = new Script(state + overrideRead);
export const OVERRIDE_WRITE = new Script(state + overrideWrite);
