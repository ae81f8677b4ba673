// The burst and the refill: what is asked, what must come back, and the table of both.
import { setTimeout as sleep } from 'node:timers/promises';

// The limit of /data.
const CAPACITY = 10;
const TOKENS_PER_SECOND = 2;

const BURST = 15;
const WAIT_MS = 3000;
const SECOND_BURST = 8;
const ARRIVED = (WAIT_MS / 1000) * TOKENS_PER_SECOND;

const TOKEN_MS = 1000 / TOKENS_PER_SECOND;
const FULL_REFILL_MS = CAPACITY * TOKEN_MS;
const ATTEMPTS = 5;
/** Timers may end a little early, and the clocks of two processes or machines differ a little in their pace. */
const TIMER_ERROR_MS = 10;
const WARM_UPS = 10;

const DENIED = { status: 429, remaining: 0, retryAfter: 1 };
const EXPECTED = [...burstOf(BURST, CAPACITY), ...burstOf(SECOND_BURST, ARRIVED)];

function burstOf(requests, tokens) {
  return Array.from({ length: requests }, (_, i) =>
    i < tokens ? { status: 200, remaining: tokens - 1 - i, retryAfter: undefined } : DENIED,
  );
}

/** Everything that is slow the first time happens here, on routes that leave the bucket of /data full. */
export async function warmUp(urls) {
  for (const url of urls) {
    for (let i = 1; i <= WARM_UPS; i++) {
      await answerOf(`${url}/health`);
      const { status } = await answerOf(`${url}/reports`, { headers: { authorization: 'Bearer alice-token' } });
      // Only the last answer counts: a connection that is still being warmed may be too slow for the storage's deadline.
      if (i === WARM_UPS && status !== 200) throw new Error(`GET ${url}/reports answered ${status}; expected 200.`);
    }
  }
}

/** Plays the story and prints it. Whether it went as told. */
export async function tellStory(urls) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const { rows, delay } = await play(urls);
    if (delay === undefined) return conclude(rows);
    console.log(`\n${delay}`);
    if (attempt === ATTEMPTS) break;
    console.log('Playing it again when the bucket is full.');
    await sleep(FULL_REFILL_MS + TOKEN_MS);
  }
  console.error(`This machine was too slow ${ATTEMPTS} times.`);
  return false;
}

/** One try. A step that took so long that one more token arrived meanwhile is a `delay`: nothing can be told from it. */
async function play(urls) {
  const ask = asker(urls);
  console.log(`\n${BURST} requests to /data at once: ${CAPACITY} tokens, so ${CAPACITY} are allowed.\n\n${HEADING}`);
  const burst = await ask(BURST);
  if (burst.at(-1).ms >= TOKEN_MS) {
    return { delay: `The burst took ${burst.at(-1).ms.toFixed()} ms; a new token arrives after ${TOKEN_MS} ms.` };
  }

  console.log(
    `\n${WAIT_MS / 1000} seconds after the first: at ${TOKENS_PER_SECOND} tokens each second ${ARRIVED} have arrived, ` +
      `so ${ARRIVED} of ${SECOND_BURST} are allowed.\n`,
  );
  // Counted from the first answer, because from then on tokens arrive.
  await sleep(WAIT_MS + TIMER_ERROR_MS - (burst.at(-1).ms - burst[0].ms));
  const second = await ask(SECOND_BURST);
  if (second.at(-1).ms >= WAIT_MS + TOKEN_MS) {
    return { delay: `The second burst ended after ${second.at(-1).ms.toFixed()} ms; one more token has arrived.` };
  }
  return { rows: [...burst, ...second] };
}

/** Sends requests one after the other, to the instances in turn. Times count from the first one. */
function asker(urls) {
  let number = 0;
  let start;
  return async (count) => {
    const rows = [];
    for (let i = 0; i < count; i++) {
      const url = urls[number++ % urls.length];
      start ??= performance.now();
      const row = { number, url, ...(await answerOf(`${url}/data`)), ms: performance.now() - start };
      console.log(line(row));
      rows.push(row);
    }
    return rows;
  };
}

async function answerOf(url, init) {
  const response = await fetch(url, init);
  await response.arrayBuffer();
  const numberIn = (field) => (response.headers.has(field) ? Number(response.headers.get(field)) : undefined);
  return {
    status: response.status,
    remaining: numberIn('x-ratelimit-remaining'),
    retryAfter: numberIn('retry-after'),
  };
}

function conclude(rows) {
  const mistakes = rows.flatMap((row, i) =>
    Object.entries(EXPECTED[i])
      .filter(([field, expected]) => row[field] !== expected)
      .map(([field, expected]) => `Request ${row.number}: ${field} is ${row[field]}; expected ${expected}.`),
  );
  if (mistakes.length > 0) console.error(`\n${mistakes.join('\n')}\nThe story is not as told.`);
  else console.log('\nEvery answer is as told.');
  return mistakes.length === 0;
}

const HEADING = line({
  number: '#',
  url: 'instance',
  status: 'status',
  remaining: 'remaining',
  retryAfter: 'retry after',
  ms: 'ms',
});

function line({ number, url, status, remaining, retryAfter, ms }) {
  const cells = [String(number).padStart(3), url.replace('http://', '').padEnd(15), String(status).padStart(6)];
  cells.push(String(remaining ?? '').padStart(9), String(retryAfter ?? '').padStart(11));
  cells.push((typeof ms === 'number' ? ms.toFixed() : ms).padStart(6));
  return cells.join('  ');
}
