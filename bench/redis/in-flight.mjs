/**
 * As many loops as may be in flight, each of which asks again as soon as it has its answer, as clients do.
 *
 * @param {() => Promise<unknown>} operation
 * @param {{ inFlight: number, operations?: number, milliseconds?: number }} plan ends with whichever comes first
 * @returns {Promise<number>} how many operations there were
 */
export async function keepInFlight(operation, { inFlight, operations = Infinity, milliseconds = Infinity }) {
  const endMs = performance.now() + milliseconds;
  let begun = 0;
  const client = async () => {
    while (begun < operations && performance.now() < endMs) {
      begun++;
      await operation();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, client));
  return begun;
}
