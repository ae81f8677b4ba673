import * as library from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import { algorithmsPicture } from '../../scripts/algorithms-picture.mjs';
import { textOf } from './support/markdown.js';

test('the picture of the algorithms is what they do: if it is not, run `npm run build && node scripts/draw-algorithms.mjs`', () => {
  expect(algorithmsPicture({ ...library, ManualClock })).toBe(textOf('docs/algorithms.svg'));
});
