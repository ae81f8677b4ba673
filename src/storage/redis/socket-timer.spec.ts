import { EventEmitter } from 'node:events';
import type { RedisClient } from './client.js';
import { timeSilence } from './socket-timer.js';

const timers = jest.requireActual<typeof import('node:timers')>('node:timers');

/** A connection that times answers as ioredis does: it sets a timer that a listener clears with the next answer. */
class FakeConnection extends EventEmitter {
  readonly options: { readonly socketTimeout?: number } = { socketTimeout: 2000 };
  readonly commandQueue: string[] = [];
  readonly stream = Object.assign(new EventEmitter(), { bytesRead: 0, destroy: jest.fn() });
  socketTimeoutTimer: unknown;
  armed = 0;

  ask(): void {
    this.commandQueue.push('EVALSHA');
    if (this.socketTimeoutTimer === undefined) this.arm();
  }

  answer(): void {
    this.commandQueue.shift();
    this.stream.bytesRead += 10;
    this.stream.emit('data');
  }

  private arm(): void {
    this.armed++;
    this.socketTimeoutTimer = 'set by the client';
    this.stream.once('data', () => {
      this.socketTimeoutTimer = undefined;
      if (this.commandQueue.length > 0) this.arm();
    });
  }
}

let intervals: { look: () => void; everyMs: number | undefined; timer: NodeJS.Timeout }[];
let connection: FakeConnection;
const waitingForAnswers = () => connection.stream.listenerCount('data');

beforeEach(() => {
  intervals = [];
  const real = timers.setInterval;
  jest.spyOn(timers, 'setInterval').mockImplementation((look: () => void, everyMs?: number) => {
    const timer = real(look, 1e6);
    intervals.push({ look, everyMs, timer });
    return timer;
  });
  connection = new FakeConnection();
  timeSilence(connection as unknown as RedisClient);
});
afterEach(() => {
  connection.emit('close');
  jest.restoreAllMocks();
});

function look(times = 1): void {
  for (let i = 0; i < times; i++) intervals.at(-1)!.look();
}

describe('the timer of a connection', () => {
  it('is one that keeps no process alive, in the place of all that the client would set', () => {
    connection.emit('ready');
    for (let i = 0; i < 3; i++) {
      connection.ask();
      connection.answer();
    }
    expect(intervals.map(({ everyMs, timer }) => [everyMs, timer.hasRef()])).toEqual([[400, false]]);
    expect([connection.armed, waitingForAnswers()]).toEqual([0, 0]);
    expect(connection.socketTimeoutTimer).toBe(intervals[0]!.timer);
  });

  it('ends a connection that owes an answer at six looks and has sent nothing meanwhile', () => {
    connection.emit('ready');
    connection.ask();
    look(5);
    expect(connection.stream.destroy).not.toHaveBeenCalled();
    look();
    expect(connection.stream.destroy).toHaveBeenCalledWith(
      new Error('The server owes an answer and has sent nothing for 2000 ms.'),
    );
  });

  it('keeps one that owes nothing, and one that always owes something and sends something', () => {
    connection.emit('ready');
    look(100);
    connection.ask();
    for (let i = 0; i < 100; i++) {
      connection.ask();
      look(5);
      connection.answer();
      look();
    }
    expect(connection.stream.destroy).not.toHaveBeenCalled();
  });

  it.each([
    ['that is answered before the first look', () => connection.answer()],
    ['that is answered after looks', () => (look(3), connection.answer())],
  ])('takes its place behind something asked before, %s, and gathers no listeners', (_, happens) => {
    connection.ask();
    connection.emit('ready');
    expect(connection.socketTimeoutTimer).toBe('set by the client');
    happens();
    look(50);
    expect(waitingForAnswers()).toBe(0);
    expect(connection.socketTimeoutTimer).toBe(intervals[0]!.timer);
    connection.ask();
    expect(connection.armed).toBe(1);
  });

  it('leaves it to the client while that always owes something', () => {
    connection.ask();
    connection.emit('ready');
    for (let i = 0; i < 20; i++) {
      connection.ask();
      look();
      connection.answer();
    }
    expect(connection.socketTimeoutTimer).toBe('set by the client');
    expect(waitingForAnswers()).toBeLessThanOrEqual(2);
  });

  it('ends with the connection, and with it what the client has set; the next one has its own', () => {
    connection.emit('ready');
    const [first] = intervals;
    const clear = jest.spyOn(timers, 'clearInterval');
    connection.emit('close');
    expect(clear).toHaveBeenCalledWith(first!.timer);
    expect(connection.socketTimeoutTimer).toBeUndefined();
    connection.ask();
    connection.emit('close');
    expect(connection.socketTimeoutTimer).toBeUndefined();
    connection.emit('ready');
    expect(connection.socketTimeoutTimer).toBe(intervals[1]!.timer);
  });

  it.each([
    ['no limit', { options: {} }],
    ['no options', { options: undefined }],
    ['a stream that does not count', { stream: Object.assign(new EventEmitter(), { destroy: () => {} }) }],
    ['no stream', { stream: undefined }],
    ['no queue', { commandQueue: undefined }],
  ])('is not there where the client has %s', (_, properties) => {
    const other = Object.assign(new FakeConnection(), properties);
    timeSilence(other as unknown as RedisClient);
    other.emit('ready');
    expect(intervals).toEqual([]);
    expect(other.socketTimeoutTimer).toBeUndefined();
  });
});
