import { InvalidOverrideError } from '../../core/overrides/override-errors.js';
import { checkSpelling } from './spelling.js';

const WHERE = 'RateLimitOverrides.block';

it.each([
  'ip:203.0.113.7',
  'ip:2001:db8:1:2::/64',
  'ip:2001:db8::/32',
  'ip:2001:db8:1:200::/56',
  'ip:::1',
  'user:42',
  'user:203.0.113.7',
  'custom:2001:db8::1',
  'header:x-api-key:10.0.0.1',
  'everyone',
  'mail:ada@example.org',
  '42',
  'IP',
  '/64',
])('%s is a subject', (subject) => {
  expect(() => checkSpelling(subject, WHERE)).not.toThrow();
});

it.each([
  ['203.0.113.7', 'ip:203.0.113.7'],
  ['IP:203.0.113.7', 'ip:203.0.113.7'],
  ['203.0.113.7:8080', 'ip:203.0.113.7'],
  ['ip:203.0.113.7/32', 'ip:203.0.113.7'],
  ['ip:::ffff:203.0.113.7', 'ip:203.0.113.7'],
  ['2001:db8::1', 'ip:2001:db8::/64'],
  ['ip:2001:db8::1', 'ip:2001:db8::/64'],
  ['ip:2001:db8::1/56', 'ip:2001:db8::/56'],
  ['ip:2001:db8::/128', 'ip:2001:db8::/64'],
  ['ip:2001:DB8:0:0::/64', 'ip:2001:db8::/64'],
])('%s is told to be %s', (subject, spelled) => {
  expect(() => checkSpelling(subject, WHERE)).toThrow(InvalidOverrideError);
  expect(() => checkSpelling(subject, WHERE)).toThrow(
    `${WHERE}: the subject is "${subject}"; limits by address expect "${spelled}". Remedy: spell it so`,
  );
});

it.each(['ip:', 'ip:ada', 'ip:203.0.113', 'ip:203.0.113.07', 'ip: 203.0.113.7', 'ip:203.0.113.7, 10.0.0.1'])(
  '%s is told to be no address',
  (subject) => {
    expect(() => checkSpelling(subject, WHERE)).toThrow(
      'limits by address expect an address such as "ip:203.0.113.7" or "ip:2001:db8::/64". Remedy: write one address.',
    );
  },
);
