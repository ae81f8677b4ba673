import { parseArgs } from 'node:util';

/**
 * What stands behind the name of a benchmark. Every one knows `--case text`, only the cases whose titles contain it, and
 * `--rounds n`: fewer turns, to try something; such figures say little.
 *
 * @param {number} rounds unless asked otherwise
 * @param {import('node:util').ParseArgsConfig['options']} [further] of this benchmark
 */
export function readOptions(rounds, further = {}) {
  const common = { case: { type: 'string', default: '' }, rounds: { type: 'string', default: String(rounds) } };
  const { values } = parseArgs({ options: { ...common, ...further } });
  const wanted = Number(values.rounds);
  if (!Number.isInteger(wanted) || wanted < 1) throw new Error(`--rounds is "${values.rounds}"; expected 1 or more.`);
  return { ...values, rounds: wanted, isWanted: ({ title }) => title.includes(values.case) };
}
