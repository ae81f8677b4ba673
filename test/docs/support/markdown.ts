import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the project, from which files are named. */
export const ROOT = join(__dirname, '../../..');

/** One fenced block of TypeScript. */
export interface Block {
  /** The file as messages name it: `docs/http.md`. */
  readonly file: string;
  /** The line of the opening fence, counted from 1. */
  readonly line: number;
  readonly code: string;
}

const LANGUAGES = ['ts', 'sh', 'http', 'json'];
const FENCE = /^(\s*)(?:```|~~~)(.*)$/;

/** README.md and docs/*.md. */
export function documents(): readonly string[] {
  const guides = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...guides.map((name) => `docs/${name}`)];
}

export function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The TypeScript blocks of a file. @throws Error for a fence in a language that is not known: no block is overlooked. */
export function blocksOf(file: string, text = textOf(file)): readonly Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = FENCE.exec(lines[at]!);
    if (fence === null) continue;
    const indent = fence[1]!;
    const language = fence[2]!.trim();
    const end = lines.findIndex((line, i) => i > at && FENCE.test(line));
    if (!LANGUAGES.includes(language) || end < 0) {
      throw new Error(
        `${file}:${at + 1}: a block in "${language}"; expected one of ${LANGUAGES.join(', ')}, and its end.`,
      );
    }
    // In a list a block is indented, which whoever copies it leaves behind.
    const code = lines.slice(at + 1, end).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    if (language === 'ts') blocks.push({ file, line: at + 1, code: code.join('\n') });
    at = end;
  }
  return blocks;
}

/** Whether a block can stand in a file by itself; the others are pieces of one. */
export function isWholeFile({ code }: Block): boolean {
  return /^import /m.test(code);
}

/** The block of a document in which this text stands. */
export function blockWith(text: string, file: string): Block {
  const found = blocksOf(file).find(({ code }) => code.includes(text));
  if (found === undefined) throw new Error(`${file}: no block of TypeScript has "${text}" in it.`);
  return found;
}

/** The cells of the table of a document whose first heading is this one, row by row, without its headings. */
export function tableRows(file: string, heading: string): readonly (readonly string[])[] {
  const lines = textOf(file).split('\n');
  const start = lines.findIndex((line) => new RegExp(`^\\| ${heading} +\\|`).test(line));
  if (start < 0) throw new Error(`${file}: no table begins with a column "${heading}".`);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}
