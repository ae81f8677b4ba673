// This build beside another one in a process of its own, so that every start is another chance for compiler and memory.
// Arguments: keys, limit, operations per slice, rounds, the dist/esm of the other build, and which of the two begins.
import * as ours from './contenders.mjs';
import { interleave, median } from './measure.mjs';
import { contendersOn } from './other-build.mjs';
import { makeOrder, makeSubjects } from './subjects.mjs';

const [keys, limit, operations, rounds] = process.argv.slice(2, 6).map(Number);
const [build, first] = process.argv.slice(6);
const theirs = await contendersOn(build);
const subjects = makeSubjects(keys);
const order = makeOrder(keys);
const make = (name, { tokenBucket }) => ({ name, run: tokenBucket(subjects, order, limit) });
const contenders = [make('this', ours), make('other', theirs)];
if (first === 'other') contenders.reverse();

const results = await interleave(contenders, { rounds, operations, warmUp: Math.min(operations, keys * 2) });
if (first === 'other') results.reverse();
const [mine, other] = results;
const ratioOf = (figure) => median(mine[figure].map((value, round) => value / other[figure][round]));
console.log(
  JSON.stringify({
    nanos: median(mine.nanos),
    otherNanos: median(other.nanos),
    ratio: ratioOf('nanos'),
    cpuRatio: ratioOf('cpuNanos'),
  }),
);
process.exit(0); // some peers leave timers behind
