// What can happen to a Redis, and how it ends: on the wire to it, to its process, or by order of its operator. The same
// faults as in test/redis/faults.spec.ts.
import { freePort } from '../../test/support/redis-server.mjs';

const EVERY_MS = 100;

/** @typedef {import('./target.mjs').Target} Target */

/**
 * @typedef {object} Fault
 * @property {string} title
 * @property {(target: Target) => string | Promise<string>} url where the storage asks
 * @property {boolean} isFromTheStart nothing has ever been decided there
 * @property {(target: Target) => unknown} begin
 * @property {(target: Target) => unknown} end
 */

const proxied = ({ proxy }) => proxy.url;
const direct = ({ server }) => server.url;

function onTheWire(title, begin, end = ({ proxy }) => proxy.heal()) {
  return { title, url: proxied, begin: ({ proxy }) => begin(proxy), end };
}

/** TCP loses nothing: where data was dropped, whatever is between the two has forgotten the connection. */
function healAndReset({ proxy }) {
  proxy.heal();
  proxy.resetAll();
}

function farther(latencyMs) {
  return onTheWire(`is ${latencyMs} ms farther away`, (proxy) => {
    proxy.questionDelayMs = latencyMs / 2;
    proxy.answerDelayMs = latencyMs / 2;
  });
}

/** Again and again, beginning now. */
function ordered(title, ...command) {
  let timer;
  const orders = [];
  const begin = (target) => {
    const order = () => orders.push(target.order(...command));
    order();
    timer = setInterval(order, EVERY_MS);
  };
  const end = async () => {
    clearInterval(timer);
    await Promise.all(orders.splice(0));
  };
  return { title: `${title} every ${EVERY_MS} ms`, url: direct, begin, end };
}

function restarting() {
  let restarted;
  const begin = (target) => {
    restarted = target.restart();
  };
  return { title: 'restarts', url: direct, begin, end: () => restarted };
}

/** @type {Fault[]} */
export const FAULTS = [
  ...[0, 10, 100, 1000].map(farther),
  onTheWire('does not get questions', (proxy) => (proxy.questions = 'drop'), healAndReset),
  onTheWire('loses its answers', (proxy) => (proxy.answers = 'drop'), healAndReset),
  onTheWire('keeps its answers back', (proxy) => (proxy.answers = 'keep back')),
  onTheWire('resets all connections', (proxy) => {
    proxy.newcomers = 'reset';
    proxy.resetAll();
  }),
  onTheWire(
    'leaves connections half-open',
    (proxy) => {
      proxy.questions = 'drop';
      proxy.newcomers = 'half-open';
    },
    healAndReset,
  ),
  {
    title: 'freezes (SIGSTOP)',
    url: direct,
    begin: (target) => target.signal('SIGSTOP'),
    end: (target) => target.signal('SIGCONT'),
  },
  {
    title: 'is killed (SIGKILL)',
    url: direct,
    begin: (target) => target.signal('SIGKILL'),
    end: (target) => target.restart(),
  },
  restarting(),
  {
    title: 'was never started',
    url: async () => `redis://127.0.0.1:${await freePort()}`,
    isFromTheStart: true,
    begin: () => {},
    end: () => {},
  },
  ordered('forgets everything (FLUSHALL)', 'FLUSHALL'),
  ordered('forgets scripts (SCRIPT FLUSH)', 'SCRIPT', 'FLUSH'),
  {
    title: 'is full (OOM)',
    url: direct,
    begin: (target) => target.order('CONFIG', 'SET', 'maxmemory', '1'),
    end: (target) => target.order('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    title: 'is a replica (READONLY)',
    url: direct,
    begin: (target) => target.order('REPLICAOF', '127.0.0.1', '1'),
    end: (target) => target.order('REPLICAOF', 'NO', 'ONE'),
  },
];
