// Client processes, one for each master that is to be loaded, so that no single one is what holds the others up.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/**
 * @param {{ where: object, subjects: string[] }[]} clients
 * @param {number[]} limits
 */
export async function startClients(clients, limits) {
  const children = await Promise.all(
    clients.map(async (client) => {
      const child = fork(join(import.meta.dirname, 'client.mjs'), [JSON.stringify({ ...client, limits })]);
      await Promise.race([once(child, 'message'), once(child, 'exit').then(([code]) => failed(code))]);
      return child;
    }),
  );
  return {
    /** All at once; answers with what each has done. */
    ask: (plan) =>
      Promise.all(
        children.map(async (child) => {
          child.send(plan);
          const [done] = await once(child, 'message');
          return done;
        }),
      ),
    stop: () => children.forEach((child) => child.kill()),
  };
}

function failed(code) {
  throw new Error(`A client ended with ${code} before it could ask.`);
}
