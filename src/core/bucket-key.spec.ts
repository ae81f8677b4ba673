import { encodePart, mapKey } from './bucket-key.js';
import { placeOf } from './policy.js';

const PAIRS = 1_000_000;
/** What forges separators, braces, escapes and hashes; short, so that equal texts come up often. */
const PIECES = [
  '/',
  '%',
  '{',
  '}',
  '#',
  ':',
  '0',
  '9',
  'a',
  'A',
  '\0',
  '\n',
  ' ',
  'é',
  '\ud800',
  '\udc00',
  '%002f',
  '%#',
];
const HEX = '0123456789abcdef';

describe('encodePart', () => {
  it('keeps plain text and spells out everything else', () => {
    expect(encodePart('ip:203.0.113.7_A-b@c')).toBe('ip:203.0.113.7_A-b@c');
    expect(encodePart('')).toBe('');
    expect(encodePart('a/b')).toBe('a%002fb');
    expect(encodePart('{}%\0')).toBe('%007b%007d%0025%0000');
    expect(encodePart('\ud83d\ude00')).toBe('%d83d%de00');
    expect(encodePart('\ud800')).toBe('%d800');
  });

  it('replaces long text by its hash, which no plain text can imitate', () => {
    expect(encodePart('x'.repeat(128))).toBe('x'.repeat(128));
    const hashed = encodePart('x'.repeat(129));
    expect(hashed).toMatch(/^%#[\w-]{43}$/);
    expect(encodePart(hashed)).not.toBe(hashed);
    expect(encodePart(`${'x'.repeat(129)}\ud800`)).not.toBe(encodePart(`${'x'.repeat(129)}\udfff`));
  });

  it('leaves no separator, no brace, no control character', () => {
    const every = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit));
    const encoded = every.map(encodePart);
    expect(new Set(encoded).size).toBe(every.length);
    expect(encoded.filter((text) => !/^(?:[A-Za-z0-9_.:@-]|%[0-9a-f]{4})$/.test(text))).toEqual([]);
  });
});

describe('mapKey', () => {
  it('is the subject itself unless that is long, integer-like, or made to look like one that was changed', () => {
    expect(mapKey('user:42')).toBe('user:42');
    expect(mapKey('__proto__')).toBe('__proto__');
    expect(mapKey('42')).toBe('#s42');
    expect(mapKey('#s42')).toBe('#s#s42');
    expect(mapKey('y'.repeat(129))).toMatch(/^#h[\w-]{43}$/);
    expect(mapKey(mapKey('y'.repeat(129)))).not.toBe(mapKey('y'.repeat(129)));
  });
});

it(`${PAIRS} adversarial pairs: different texts never become one`, () => {
  const next = generator(20_261_121);
  const text = () => {
    let made = '';
    for (let pieces = next(5); pieces > 0; pieces--) made += PIECES[next(PIECES.length)]!;
    if (next(400) === 0) made = made.padEnd(126 + next(5), made === '' ? 'x' : made);
    return made;
  };
  const different = { pairs: 0, equal: 0 };
  for (let i = 0; i < PAIRS; i++) {
    const one = text();
    const other = next(4) === 0 ? mutated(one, next) : text();
    const same = one === other;
    if (same) different.equal++;
    else different.pairs++;
    const wrong =
      (encodePart(one) === encodePart(other)) !== same ||
      (mapKey(one) === mapKey(other)) !== same ||
      // The same characters, divided differently.
      placeOf(one, other) === placeOf(one + other) ||
      (placeOf(one, other) === placeOf(other, one)) !== same;
    if (wrong) throw new Error(`seed 20261121, pair ${i}: ${JSON.stringify([one, other])}`);
  }
  expect(different.pairs).toBeGreaterThan(PAIRS / 2);
  expect(different.equal).toBeGreaterThan(0);
});

/** The text with one thing done to it that an encoding might undo. */
function mutated(text: string, next: (below: number) => number): string {
  const at = next(text.length + 1);
  const unit = text.charCodeAt(at) || 0x2f;
  const spelled = `%${HEX[unit >> 12]}${HEX[(unit >> 8) & 15]}${HEX[(unit >> 4) & 15]}${HEX[unit & 15]}`;
  return [text.slice(0, at) + spelled + text.slice(at + 1), `#s${text}`, encodePart(text), mapKey(text)][next(4)]!;
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
