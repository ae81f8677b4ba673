// Draws docs/algorithms.svg with what the last build does (`npm run build`); test/docs/algorithms.spec.ts compares it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from '../dist/esm/index.js';
import * as testing from '../dist/esm/testing/index.js';
import { algorithmsPicture } from './algorithms-picture.mjs';

writeFileSync(join(import.meta.dirname, '../docs/algorithms.svg'), algorithmsPicture({ ...library, ...testing }));
