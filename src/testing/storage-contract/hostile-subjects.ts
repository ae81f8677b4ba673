/** Different subjects that some encoding, map or protocol might take for one another. */
export const hostileSubjects = (): readonly string[] => [
  ...['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'then'],
  ...['0', '00', '1', '-1', '1e3', '4294967295', '4294967296', 'NaN', 'null', 'undefined', 'true'],
  ...['a', 'A', 'á', 'a\u0301', 'ａ', ' a', 'a ', 'a\t', 'a\u00a0'],
  ...['{', '}', '{}', '{a}', '}{', 'a}b', 'a{b', '{a', 'a}', '{{a}}'],
  ...['/', '//', 'a/b', 'a//b', 'a:b', 'a:b:c', 'a|b', 'a,b', 'a b', 'a%b', '%', '%%', '%0061', '%#', '#', '#a'],
  ...['#s1', '#h', '%007b', '%007B', '\u007b%', '\\', '\\x00', '*', 'user:*', '[a]', '?'],
  ...['\0', 'a\0', '\0a', 'a\0b', '\r\n', 'a\r\nb', 'a\nb', '\r\nDEL x\r\n', '$1\r\na', '*1\r\n$4\r\nPING\r\n'],
  ...['\ud800', '\udc00', '\ud800\ud800', '\udc00\ud800', '\ud83d\ude00', '\ufffd', 'a\ud800', '\ud800a'],
  ...['\u2028', '\u202e', '\ufeff', '\ufeffa', '١', 'ß', 'SS', 'İ', 'ı'],
  ...['x'.repeat(127), 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(130), `${'x'.repeat(128)}{`, '{'.repeat(129)],
  ...['m'.repeat(2 ** 20), `${'m'.repeat(2 ** 20 - 1)}n`, `n${'m'.repeat(2 ** 20 - 1)}`],
  ...['\ud800'.repeat(200), '\ud801'.repeat(200), '\ufffd'.repeat(200)],
  ...["'); redis.call('FLUSHALL') --", '"]]', 'return 1', '${subject}', '%s', '%.0f'],
];
