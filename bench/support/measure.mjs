// How the benchmarks measure: contenders take turns in short slices, so that a disturbance of the machine meets all of
// them; of every contender the median slice counts, and ratios are medians of ratios within one turn.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}

/** CPU time of this process in ns: all threads, so compiler and garbage collector count too. */
function cpuNanos() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(operations: number) => unknown} run does that many operations; may answer a promise
 *
 * @param {Contender[]} contenders
 * @param {{ rounds: number, operations: number, warmUp: number }} plan `warmUp`: operations before each slice, not timed,
 *   which bring the contender's data back into the caches that the one before it has filled
 * @returns {Promise<{ name: string, nanos: number[], cpuNanos: number[] }[]>} per operation, one entry per round
 */
export async function interleave(contenders, { rounds, operations, warmUp }) {
  const results = contenders.map(({ name }) => ({ name, nanos: [], cpuNanos: [] }));
  for (const { run } of contenders) await run(operations);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of contenders.entries()) {
      await run(warmUp);
      const cpu = cpuNanos();
      const start = performance.now();
      await run(operations);
      const wall = (performance.now() - start) * 1e6;
      results[i].nanos.push(wall / operations);
      results[i].cpuNanos.push((cpuNanos() - cpu) / operations);
    }
  }
  return results;
}

/** How many times as fast as the other, round by round. */
export function speedRatio(result, other) {
  return median(result.nanos.map((nanos, i) => other.nanos[i] / nanos));
}
