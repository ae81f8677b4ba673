import { slotOf } from '../../src/storage/redis/slots.js';

/** Slots of each of three masters, but of the last, which has two fewer. */
const THIRD = 5462;

/** The first subjects of this name whose slots fit. */
export function subjectsIn(count: number, name: string, fits: (slot: number) => boolean): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) if (fits(slotOf(`${name}:${i}`))) found.push(`${name}:${i}`);
  return found;
}

/** The first subjects of this name that one of three masters keeps, whoever is the master of its slots by now. */
export function subjectsOf(master: number, name: string, count: number): string[] {
  return subjectsIn(count, name, (slot) => Math.floor(slot / THIRD) === master);
}

export function subjectOf(master: number, name: string): string {
  return subjectsOf(master, name, 1)[0]!;
}
