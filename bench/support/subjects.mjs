/**
 * Subjects as requests bring them: every request has a text of its own, equal to the one a limiter has kept but not the
 * same object. `stored` is what the buckets are made with, `asked` is what requests ask for.
 */
export function makeSubjects(count) {
  const make = () => Array.from({ length: count }, (_, i) => `user:${(i * 7919 + 13) % 1_000_003}`);
  return { stored: make(), asked: make() };
}

/** A fixed pseudo-random order in which to ask for them; its length is a power of two, so that it wraps cheaply. */
export function makeOrder(count) {
  const order = new Uint32Array(1 << 18);
  let state = 20_261_121;
  for (let i = 0; i < order.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    order[i] = Math.floor((state / 2 ** 32) * count);
  }
  return order;
}
