import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

/** Three requests of one client on a route with capacity 2, and what the answers must be. */
export async function assertThirdRequestIsRefused(url: string): Promise<void> {
  const headers = { 'x-client': randomUUID() };
  const first = await fetch(`${url}/greeting`, { headers });
  const second = await fetch(`${url}/greeting`, { headers });
  const third = await fetch(`${url}/greeting`, { headers });

  assert.deepEqual([first.status, second.status, third.status], [200, 200, 429]);
  assert.equal(await first.text(), 'hello');
  assert.equal(first.headers.get('x-ratelimit-remaining'), '1');
  assert.equal(second.headers.get('x-ratelimit-remaining'), '0');
  assert.equal(third.headers.get('x-ratelimit-remaining'), '0');
  assert.equal(third.headers.get('x-ratelimit-limit'), '2');
  assert.equal(first.headers.get('retry-after'), null);
  assert.match(third.headers.get('retry-after') ?? '', /^(29|30)$/, 'one of two tokens returns in 30 s');
  assert.match(third.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.match(await third.text(), /"status":429,.*"violated-policies":\["default"\]/);
  for (const { headers } of [first, second, third]) {
    assert.match(headers.get('ratelimit') ?? '', /^"default";r=\d/);
    assert.match(headers.get('ratelimit-policy') ?? '', /^"default";q=2;w=60/);
  }
}

/** With {@link assertThirdRequestIsRefused}: the same requests where no limit holds. */
export async function assertNoRequestIsRefused(url: string): Promise<void> {
  const headers = { 'x-client': randomUUID() };
  for (let i = 0; i < 3; i++) assert.equal((await fetch(`${url}/greeting`, { headers })).status, 200);
}

export async function assertDefaultAndSkip(url: string): Promise<void> {
  const limited = await fetch(`${url}/default`);
  assert.equal(limited.status, 200);
  assert.equal(limited.headers.get('x-ratelimit-limit'), '100');
  const free = await fetch(`${url}/free`);
  assert.equal(free.status, 200);
  assert.equal(free.headers.get('x-ratelimit-limit'), null);
}
