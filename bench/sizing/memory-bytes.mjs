// What a bucket takes in the memory storage, by its algorithm.
import { inProcessOfItsOwn } from '../support/own-process.mjs';
import { printTable } from '../support/table.mjs';

const KEYS = 100_000;
const CAPACITY = 3600;
const CHARGED = {
  'token-bucket': [1],
  'fixed-window': [1],
  'leaky-bucket': [1],
  'sliding-window-log': [1, 10, 20, 100],
  'sliding-window-counter': [1],
};

export function measureMemoryStorage() {
  const rows = [];
  for (const [algorithm, numbers] of Object.entries(CHARGED)) {
    for (const charges of numbers) {
      const figures = inProcessOfItsOwn('bytes-per-key.mjs', CAPACITY, algorithm, KEYS, charges);
      const { bytesPerKey, bytesPerText } = figures;
      rows.push([algorithm, charges, bytesPerKey.toFixed(0), (bytesPerKey - bytesPerText).toFixed(0)]);
    }
  }
  printTable(
    `Bytes of a bucket in the memory storage, ${KEYS} keys`,
    ['', 'charges kept', 'with the text of its subject', 'beyond it'],
    rows,
  );
}
