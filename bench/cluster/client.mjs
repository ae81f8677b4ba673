// A process of its own that asks about its subjects for as long as it is told, and says how often it was answered.
// Forked with one argument in JSON: { where, subjects, limits }.
import { tokenBucket } from '../redis/contenders.mjs';
import { keepInFlight } from '../redis/in-flight.mjs';
import { makeOrder } from '../support/subjects.mjs';

const { where, subjects, limits } = JSON.parse(process.argv[2]);
const { decide } = await tokenBucket({ ...where, limits });
const order = makeOrder(subjects.length);
let at = 0;
const operation = async () => {
  if (!(await decide(subjects[order[at++ & (order.length - 1)]]))) throw new Error('denied');
};

process.on('message', async (plan) => {
  const cpu = process.cpuUsage();
  const operations = await keepInFlight(operation, plan);
  const { user, system } = process.cpuUsage(cpu);
  process.send({ operations, cpuMicros: user + system });
});
process.send('ready');
