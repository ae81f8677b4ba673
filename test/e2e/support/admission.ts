import { MemoryStorage } from 'nestjs-token-bucket';
import { ManualClock } from 'nestjs-token-bucket/testing';
import type { RunningApp } from './app.js';
import { members } from './fields.js';

/** Memory in which time stands still, so that nothing refills between two requests. */
export function stillStorage(): MemoryStorage {
  return new MemoryStorage({ clock: new ManualClock() });
}

/** How many of so many requests in a row are admitted; each is answered 200 or 429, or this throws. */
export async function admitted({ get }: RunningApp, path: string, tries: number, client?: string): Promise<number> {
  let count = 0;
  for (let i = 0; i < tries; i++) {
    const { status } = await get(path, client);
    if (status !== 200 && status !== 429) throw new Error(`${path} was answered ${status}.`);
    if (status === 200) count++;
  }
  return count;
}

/** The names of the policies that applied to one request, in their order. */
export async function policiesOf({ get }: RunningApp, path: string): Promise<readonly string[]> {
  return Object.keys(members(await get(path), 'RateLimit-Policy'));
}
