// What a turn costs: time, CPU of this process, CPU, commands and bytes of the Redis servers.
import { Redis } from 'ioredis';
import { keepInFlight } from './in-flight.mjs';

const SECTIONS = ['cpu', 'commandstats', 'stats'];

export class Meter {
  #servers;

  constructor(...urls) {
    this.#servers = urls.map((url) => new Redis(url));
  }

  /** Runs the operations of a plan of {@link keepInFlight}, and answers with what one of them cost. */
  async turn(operation, plan) {
    const cpu = process.cpuUsage();
    const { result: operations, seconds, servers } = await this.around(() => keepInFlight(operation, plan));
    const { user, system } = process.cpuUsage(cpu);
    const each = (figure) => servers.map((server) => server[figure] / operations);
    const sum = (figure) => each(figure).reduce((total, one) => total + one);
    const [calls, commands] = [sum('calls'), sum('commands')];
    return {
      perSecond: operations / seconds,
      nodeMicros: (user + system) / operations,
      redisMicros: sum('cpuMicros'),
      /** Of the busiest server. */
      busiestMicros: Math.max(...each('cpuMicros')),
      /** Scripts that were called, and all commands, with those that the scripts have run. */
      calls,
      commands,
      callsPerSecond: (calls * operations) / seconds,
      commandsPerSecond: (commands * operations) / seconds,
      bytesIn: sum('bytesIn'),
      bytesOut: sum('bytesOut'),
    };
  }

  /** What each server did meanwhile. */
  async around(work) {
    const before = await this.#read();
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    const after = await this.#read();
    return { result, seconds, servers: after.map((server, i) => difference(server, before[i])) };
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
  const info = await server.info(...SECTIONS);
  const number = (name) => Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)[1]);
  let calls = 0;
  let commands = 0;
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (name === 'info') continue;
    commands += Number(count);
    if (name.startsWith('eval')) calls += Number(count);
  }
  return {
    cpuMicros: (number('used_cpu_user') + number('used_cpu_sys')) * 1e6,
    calls,
    commands,
    bytesIn: number('total_net_input_bytes'),
    bytesOut: number('total_net_output_bytes'),
    replyBytes: replyBytes(info),
  };
}

/** The reply of the first INFO and the question of the second one are ours. */
function difference(after, before) {
  const figures = Object.keys(after).map((figure) => [figure, after[figure] - before[figure]]);
  const { bytesIn, bytesOut, replyBytes: _, ...others } = Object.fromEntries(figures);
  return { ...others, bytesIn: bytesIn - QUESTION_BYTES, bytesOut: bytesOut - before.replyBytes };
}

const replyBytes = (text) => Buffer.byteLength(text) + `$${Buffer.byteLength(text)}\r\n\r\n`.length;
const QUESTION_BYTES = ['info', ...SECTIONS].reduce((sum, word) => sum + replyBytes(word), '*4\r\n'.length);
