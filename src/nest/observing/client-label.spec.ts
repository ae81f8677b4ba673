import * as fc from 'fast-check';
import { clientLabel } from './client-label.js';

describe('clientLabel', () => {
  it.each(['everyone', 'ip:203.0.113.7', 'ip:2001:db8::/64', 'ip:::1', 'ip:fe80::1'])(
    'shows %s as it is',
    (subject) => {
      expect(clientLabel(subject)).toBe(subject);
    },
  );

  it.each([
    ['user:42', 'user#'],
    ['user:ada@example.org', 'user#'],
    ['header:x-api-key:s3cret-s3cret', 'header:x-api-key#'],
    ['header:x-api-key:a:b', 'header:x-api-key#'],
    ['custom:tenant-7', 'custom#'],
    ['tenant:7', 'other#'],
    ['ip:s3cret', 'ip#'],
    ['ip:203.0.113.7/s3cret', 'ip#'],
    ['ip:fe80::1%s3cret', 'ip#'],
    ['ip:203.0.113.7\nforged line', 'ip#'],
    ['header:\u001b[2J:x', 'header#'],
    [`header:${'x'.repeat(70)}:y`, 'header#'],
    ['everyone ', 'other#'],
  ])('shows the kind of %j and hides the rest', (subject, kind) => {
    const label = clientLabel(subject);
    expect(label.slice(0, kind.length)).toBe(kind);
    expect(label.slice(kind.length)).toMatch(/^[0-9a-f]{12}$/);
  });

  it('is what `printf user:42 | sha256sum` begins with, whenever and wherever it is asked for', () => {
    expect(clientLabel('user:42')).toBe(clientLabel(['user', '42'].join(':')));
    expect(clientLabel('user:42')).toBe('user#ea3fd43be1e5');
  });

  it('is short, printable, and has nothing of a secret in it, whatever the subject is', () => {
    const secret = fc.string({ minLength: 6, maxLength: 300, unit: 'binary' });
    const kind = fc.constantFrom('user:', 'header:x-api-key:', 'header:', 'custom:', 'ip:', '', 'everyone');
    fc.assert(
      fc.property(kind, secret, (front, text) => {
        const label = clientLabel(front + text);
        expect(label).toMatch(/^[\x21-\x7e]{1,100}$/);
        // Of what is an address nothing is secret.
        if (!label.startsWith('ip:')) expect(label).not.toContain(text);
      }),
      { numRuns: 2000 },
    );
  });
});
