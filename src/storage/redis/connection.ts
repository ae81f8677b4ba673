import { RateLimitConfigurationError, StorageFailureError } from '../../core/errors.js';
import { outsideRequests } from '../../core/outside-requests.js';
import { CONNECT_TIMEOUT_MS, DISCONNECT_TIMEOUT_MS, type RedisClient } from './client.js';
import { connect, selectDatabase } from './connecting.js';
import { misconfiguration, notAsked, reasonOf, toError } from './failures.js';
import { probeKey } from './key.js';
import { ownClient } from './own-client.js';
import type { Sent } from './question.js';
import type { CheckedRedisOptions } from './redis.options.js';
import { remedyFor } from './remedies.js';
import { type Message, PROBE } from './scripts.js';
import { Trouble } from './trouble.js';
import { within } from './within.js';

/** Connecting has its own limit; the handshake and the probe come after it. */
const OPEN_LIMIT_MS = CONNECT_TIMEOUT_MS + 500;
const NO_ANSWER = `no answer within ${OPEN_LIMIT_MS} ms`;

/** How something is sent, and told of its outcome. */
export type Send = (client: RedisClient, sent: Sent) => void;

/** Who is told of the state of a connection. */
export interface ConnectionEvents {
  /** @param message in place of the usual one. */
  lost(reason: string, message?: string): void;
  /** It stands, but the server cannot do what decisions need. */
  unable(reason: string): void;
  /** It can, as far as is known: nothing that was found wanting before need be so any more. */
  able(): void;
  /** It stands again. */
  ready(): void;
}

/** A client from one opening of the storage to its closing. */
export class Connection {
  readonly client: RedisClient;
  /** Settles when there is nothing left to wait for, connected or not; rejects when the configuration must change. */
  readonly opened: Promise<void>;
  isOpening = true;
  /** Of a connection that was made anew, until it has answered: nobody is to find out by waiting that it does not. */
  private trial: Promise<Error | undefined> | undefined;
  private isClosed = false;
  private readonly trouble = new Trouble();
  /** The latest of those that waiting does not cure: it is told once, however often it is met. */
  private toldProblem = '';
  private stopOpening: (problem: RateLimitConfigurationError) => void = () => {};

  constructor(
    private readonly options: CheckedRedisOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.client = options.reuseConnection ? options.client : ownClient(options, this.onRefusal);
    // Unheard, ioredis would print every failed attempt to connect.
    this.client.on('error', this.onError);
    this.client.on('node error', this.onError);
    this.client.on('ready', this.onReady);
    this.client.on('close', this.onClose);
    this.opened = outsideRequests(() => this.open());
    // A question may have opened it, and then nobody waits for this promise.
    this.opened.catch(() => {});
  }

  /**
   * Sends, if that can be done at once. Nothing is sent when nobody waits any more (it would be charged without anyone's
   * knowledge), nor when the client would have to keep it: then it fails.
   */
  put(sent: Sent, send: Send): void {
    const { client } = this;
    // A connection of the user's is taken as it is: what to do while it is down is the business of its client.
    if (client.status !== 'ready' && !this.options.reuseConnection) {
      sent.fail(notSent(this.trouble.latest ?? new Error(`the connection is "${client.status}"`)));
    } else if (this.trial !== undefined) {
      sent.fail(notAsked('its new connection has not answered yet'));
    } else if (sent.isAwaited) {
      send(client, sent);
    } else {
      sent.fail(notSent(new Error('it came too late to be sent')));
    }
  }

  /** Asks for something that takes nothing and needs all that decisions need. */
  async probe(subject?: string): Promise<unknown> {
    if (!this.options.reuseConnection) await selectDatabase(this.client);
    const message: Message = { keyCount: 1, input: [probeKey(this.options.prefix, subject)] };
    const sent = (send: (sent: Sent) => void): Promise<unknown> =>
      new Promise((answer, fail) => send({ isAwaited: true, answer, fail }));
    // Each way of calling a script takes a right of its own; a server that knows the script would hide that one lacks.
    return Promise.all([
      sent((one) => PROBE.put(this.client, () => message, one)),
      sent((one) => PROBE.putText(this.client, message, one)),
    ]);
  }

  /** Lets go: a connection of our own is closed after the answers it owes, or soon without them. */
  async close(): Promise<void> {
    const { client } = this;
    this.isClosed = true;
    client.removeListener('ready', this.onReady);
    client.removeListener('close', this.onClose);
    if (this.options.reuseConnection) {
      client.removeListener('error', this.onError);
      client.removeListener('node error', this.onError);
      return;
    }
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    if (client.status === 'ready') {
      const quit = client.quit().then(() => ended, toError);
      await within(DISCONNECT_TIMEOUT_MS, quit, ignore);
    }
    // Read anew: it has changed, unless the server is silent.
    const { status } = this.client;
    if (status === 'end') return;
    client.disconnect();
    // A client that waits to connect again has nothing to end, and tells nobody.
    if (status !== 'reconnecting') await within(2 * DISCONNECT_TIMEOUT_MS, ended, ignore);
  }

  private async open(): Promise<void> {
    const hopeless = new Promise<Error>((resolve) => (this.stopOpening = resolve));
    const problem = await within(OPEN_LIMIT_MS, Promise.race([this.findProblem(), hopeless]), () => this.lateError());
    this.isOpening = false;
    if (problem === undefined || this.isClosed) return;
    if (problem instanceof RateLimitConfigurationError) throw problem;
    const { client, events } = this;
    const reason = reasonOf(problem);
    const remedy = remedyFor(client, reason);
    const message = `Redis cannot be asked yet (${reason}).${remedy} Starting without it and connecting in the background.`;
    // Connected, it will not become ready once more: then it has to be asked again and again.
    if (client.status === 'ready') events.unable(reason);
    else events.lost(reason, message);
  }

  /** A client that tries again and again does not say that it will not succeed, but why it has not. */
  private lateError(): Error {
    const { latest } = this.trouble;
    if (latest === undefined) return new Error(NO_ANSWER);
    return misconfiguration(latest) ?? new Error(`${NO_ANSWER}; the latest error: ${reasonOf(latest)}`);
  }

  private async findProblem(): Promise<Error | undefined> {
    const { client, trouble } = this;
    try {
      await connect(client, trouble, () => this.isClosed);
      await this.probe();
      return undefined;
    } catch (thrown) {
      const error = toError(thrown);
      return misconfiguration(error) ?? error;
    }
  }

  private readonly onError = (error: Error & { readonly lastNodeError?: Error }): void => {
    // That no node could be asked is told by a cluster; why, by its nodes.
    this.trouble.note(error.lastNodeError ?? error);
  };

  private readonly onReady = (): void => {
    this.trouble.clear();
    if (this.isOpening) return;
    const trial = this.findProblem();
    // Each node of a cluster has a breaker of its own, and none keeps anybody from the others.
    if (this.client.isCluster === true) this.regained();
    else this.trial = trial;
    void trial.then((problem) => {
      if (problem === undefined) this.toldProblem = '';
      else this.reportProblem(problem);
      if (trial === this.trial && !this.isClosed) this.tried(problem);
    });
  };

  private tried(problem: Error | undefined): void {
    // It is closed, or will be, and the next is tried.
    if (problem !== undefined && this.client.status !== 'ready') return;
    this.trial = undefined;
    if (problem === undefined) {
      this.regained();
    } else {
      this.events.unable(reasonOf(problem));
      this.events.ready();
    }
  }

  private regained(): void {
    this.events.able();
    this.events.ready();
  }

  private readonly onRefusal = (reason: string): void => {
    // While it opens, that is told with the rest.
    if (!this.isOpening && !this.isClosed) this.events.unable(reason);
  };

  private readonly onClose = (): void => {
    if (this.isClosed) return;
    const { latest } = this.trouble;
    // A client tries again for ever, even where it must not connect.
    const problem = latest && misconfiguration(latest);
    if (!this.isOpening) {
      this.events.lost(latest === undefined ? 'the server closed the connection' : reasonOf(latest));
      this.reportProblem(problem);
    } else if (problem !== undefined) {
      this.stopOpening(problem);
    }
  };

  /** A server that appears late may be one that can never be used; nobody waits any longer to be told. */
  private reportProblem(problem: Error | undefined): void {
    if (!(problem instanceof RateLimitConfigurationError) || this.isClosed) return;
    if (problem.message !== this.toldProblem) this.options.logger.warn(problem.message);
    this.toldProblem = problem.message;
  }
}

function notSent(cause: Error): StorageFailureError {
  return new StorageFailureError(`Redis could not answer: ${cause.message}`, { cause, isUncharged: true });
}

function ignore(): void {}
