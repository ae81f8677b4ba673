import { misconfigured } from './errors.js';

const SPACE = /[ \t\r\n]*/y;
/** More than is valid, so that a message shows the whole of what was meant as a number. */
const NUMBER_LIKE = /[+-]?\.?\d[\d_.]*/y;
const NUMBER = /^\d+(?:_\d+)*$/;
const WORD = /[A-Za-z]+/y;
const PER = /\/|per(?![A-Za-z])/iy;
const SEPARATOR = /[;,]/y;
/** What a message shows of text that fits nowhere. */
const ANYTHING = /[\w.+-]+|[^]/uy;

/** Characters shown on each side of what a message points at, and of it. */
const SHOWN = 40;

/** Goes through a limit string once, from left to right; says where it stopped. */
export class LimitScanner {
  /** Start of what comes next, behind any space. */
  position = 0;
  private end = 0;

  constructor(
    private readonly text: string,
    private readonly where: string,
  ) {
    this.take(SPACE);
  }

  /** A number from 1 to `most`, or undefined where none stands here. */
  number(what: string, most: number, atLeastOne: string): number | undefined {
    const start = this.position;
    const text = this.token(NUMBER_LIKE);
    if (text === undefined) return undefined;
    const value = Number(text.replaceAll('_', ''));
    if (NUMBER.test(text) && value >= 1 && value <= most) return value;
    return this.fail(
      start,
      `expected ${what}, a whole number from 1 to ${most}`,
      !NUMBER.test(text)
        ? 'write digits only, thousands as in 1_000'
        : value < 1
          ? `write at least 1; ${atLeastOne}`
          : 'write a smaller number',
    );
  }

  /** Whether the amount ends here and the period begins. */
  per(): boolean {
    return this.token(PER) !== undefined;
  }

  word(): string | undefined {
    return this.token(WORD);
  }

  /** Whether another limit follows; else the text must be at its end. */
  nextLimit(): boolean {
    if (this.position === this.text.length) return false;
    return this.token(SEPARATOR) !== undefined || this.failAtNext('";" or the end');
  }

  failAtNext(expected: string): never {
    const start = this.position;
    const found = this.token(ANYTHING) === undefined ? 'the text ends here' : 'this fits nowhere';
    return this.fail(
      start,
      `${found}; expected ${expected}`,
      'write limits as in "10/second; 100 per 5 minutes", thousands as in 1_000',
    );
  }

  /** Points at the text from `start` to the end of what was read last. */
  fail(start: number, problem: string, remedy: string): never {
    const { text } = this;
    const end = Math.max(start, this.end);
    const before = text.slice(Math.max(0, start - SHOWN), start);
    const shown = [
      start > SHOWN ? '…' : '',
      printable(before),
      '«',
      end - start > SHOWN ? `${printable(text.slice(start, start + SHOWN))}…` : printable(text.slice(start, end)),
      '»',
      printable(text.slice(end, end + SHOWN)),
      end + SHOWN < text.length ? '…' : '',
    ];
    return misconfigured(this.where, `limits "${shown.join('')}", column ${start + 1}: ${problem}`, remedy);
  }

  private token(pattern: RegExp): string | undefined {
    const text = this.take(pattern);
    if (text === undefined) return undefined;
    this.end = this.position;
    this.take(SPACE);
    return text;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const text = pattern.exec(this.text)?.[0];
    this.position += text?.length ?? 0;
    return text;
  }
}

/** Nothing that a terminal would not show as it is: limits are plain ASCII, so what else stands there is the mistake. */
function printable(text: string): string {
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
