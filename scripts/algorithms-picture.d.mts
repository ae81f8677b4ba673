/** @param library what nestjs-token-bucket and nestjs-token-bucket/testing export. */
export function algorithmsPicture(library: object): string;
