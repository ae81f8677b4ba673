/** The two readings a storage needs. The only file of the core that asks the machine for the time. */
export interface Clock {
  /** Integer microseconds that never go backwards; the zero is Unix time, read once when the clock is made. */
  nowMicros(): number;
  /** Integer microseconds of Unix time now, for telling clients an instant; it may jump with the machine's clock. */
  unixMicros(): number;
}

/** The machine's monotonic clock, set to Unix time once. It stands still while the machine is suspended. */
export class SystemClock implements Clock {
  private readonly originMicros = Date.now() * 1000 - Math.floor(performance.now() * 1000);

  nowMicros(): number {
    return this.originMicros + Math.floor(performance.now() * 1000);
  }

  unixMicros(): number {
    return Date.now() * 1000;
  }
}
