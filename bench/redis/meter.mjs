// What a turn costs: time, CPU of this process, CPU and commands of the Redis servers.
import { Redis } from 'ioredis';

export class Meter {
  #servers;

  constructor(...urls) {
    this.#servers = urls.map((url) => new Redis(url));
  }

  /** Runs the operations, so many of them in flight, and answers with what one of them cost. */
  async turn(operation, operations, inFlight) {
    const before = await this.#read();
    const start = performance.now();
    const cpu = process.cpuUsage();
    await inFlightAtMost(inFlight, operations, operation);
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - start) / 1000;
    const after = await this.#read();
    const each = (figure) => after.map((server, i) => (server[figure] - before[i][figure]) / operations);
    const sum = (figure) => each(figure).reduce((total, one) => total + one);
    return {
      perSecond: operations / seconds,
      nodeMicros: (user + system) / operations,
      redisMicros: sum('cpuMicros'),
      /** Of the busiest server. */
      busiestMicros: Math.max(...each('cpuMicros')),
      calls: sum('calls'),
      commands: sum('commands'),
    };
  }

  close() {
    for (const server of this.#servers) server.disconnect();
  }

  #read() {
    return Promise.all(this.#servers.map(read));
  }
}

/** INFO itself is not counted among the commands; its CPU is, once per turn. */
async function read(server) {
  const info = await server.info('cpu', 'commandstats');
  const seconds = (name) => Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)[1]);
  let calls = 0;
  let commands = 0;
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (name === 'info') continue;
    commands += Number(count);
    if (name.startsWith('eval')) calls += Number(count);
  }
  return { cpuMicros: (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6, calls, commands };
}

/** As many loops as may be in flight, each of which asks again as soon as it has its answer, as clients do. */
async function inFlightAtMost(inFlight, operations, operation) {
  let begun = 0;
  const client = async () => {
    while (begun < operations) await operation(begun++);
  };
  await Promise.all(Array.from({ length: inFlight }, client));
}
