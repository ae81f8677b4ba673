export function ownCopy(text: string): string {
  return text;
}
