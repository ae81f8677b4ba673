import { median } from './measure.mjs';

/**
 * Lets contenders take turns, so that a disturbance of the machine meets all of them.
 *
 * @param {{ name: string, turn: () => Promise<Record<string, number>> }[]} contenders each turn answers with its figures
 * @param {number} rounds one turn each; who begins changes from round to round
 * @returns {Promise<{ name: string, turns: Record<string, number>[] }[]>} in the order given
 */
export async function takeTurns(contenders, rounds) {
  const results = contenders.map(({ name }) => ({ name, turns: [] }));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const next = (i + round) % contenders.length;
      results[next].turns.push(await contenders[next].turn());
    }
  }
  return results;
}

/** The median over all turns of one figure, or of what is computed from the figures of one turn. */
export function medianOf({ turns }, figure) {
  return median(turns.map((turn) => (typeof figure === 'function' ? figure(turn) : turn[figure])));
}

/** The median over all rounds of what is computed from one contender's turn and another's in the same round. */
export function medianOfPairs({ turns }, other, compute) {
  return median(turns.map((turn, round) => compute(turn, other.turns[round])));
}
