/** One header field, ready to be set. */
export type HeaderField = readonly [name: string, value: string];

/** Header fields in the order in which they are set; no name appears twice. */
export type HeaderFields = readonly HeaderField[];

/** Whole seconds that are never too short and never 0, which some clients read as "at once" and others as absent. */
export function wholeSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1000));
}
