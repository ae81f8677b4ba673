import process from 'node:process';

/** The two readings a storage needs. The only file of the core that asks the machine for the time. */
export interface Clock {
  /** Integer microseconds that never go backwards; the zero is Unix time, read once when the clock is made. */
  nowMicros(): number;
  /** Integer microseconds of Unix time now, for telling clients an instant; it may jump with the machine's clock. */
  unixMicros(): number;
}

/** The machine's monotonic clock, set to Unix time once. It stands still while the machine is suspended. */
export class SystemClock implements Clock {
  private readonly originMicros = Date.now() * 1000 - monotonicMicros();

  nowMicros(): number {
    return this.originMicros + monotonicMicros();
  }

  unixMicros(): number {
    return Date.now() * 1000;
  }
}

// Not `performance.now()`: the global is reached through a getter that costs a quarter of the reading. Not by
// destructuring, which runs the protocol of iterators.
function monotonicMicros(): number {
  const time = process.hrtime();
  return time[0] * 1_000_000 + Math.floor(time[1] / 1000);
}
