// The picture of docs/algorithms.md: what each algorithm admits of the same requests, asked of the real thing.

const CAPACITY = 10;
const PER_SECONDS = 60;
const SECONDS = 180;

const ALGORITHMS = ['token-bucket', 'fixed-window', 'leaky-bucket', 'sliding-window-log', 'sliding-window-counter'];

const WIDTH = 760;
const LEFT = 20;
const PIXELS_PER_SECOND = (WIDTH - 2 * LEFT) / SECONDS;
const BIN_SECONDS = 2;
const PIXELS_PER_REQUEST = 4;
const ROW_HEIGHT = 92;
const TOP = 64;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .name { font-weight: 600; }
    .small { font-size: 11px; fill: #59636e; }
    .line { stroke: #d1d9e0; }
    .taken { fill: #1a7f37; }
    .refused { fill: #d1d9e0; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
      .line { stroke: #3d444d; }
      .taken { fill: #3fb950; }
      .refused { fill: #3d444d; }
    }
`;

/** Milliseconds at which requests come: two bursts on both sides of a minute, a steady stream, and a burst. */
function arrivals() {
  const burst = (second) => Array.from({ length: 12 }, (_, i) => second * 1000 + i * 150);
  const stream = Array.from({ length: 20 }, (_, i) => 76_000 + i * 3000);
  return [...burst(50), ...burst(62), ...stream, ...burst(152)];
}

/** Which of the requests a limit admits. */
function admitted({ ManualClock, MemoryStorage, Policy, RateLimiter }, algorithm, times) {
  const clock = new ManualClock(); // at the start of a minute
  const limiter = new RateLimiter(new MemoryStorage({ clock }));
  const policy = new Policy({ capacity: CAPACITY, perSeconds: PER_SECONDS, algorithm });
  let nowMs = 0;
  return times.map((time) => {
    clock.advanceMs(time - nowMs);
    nowMs = time;
    return limiter.consume({ policy, subject: 'user:1' }).allowed;
  });
}

/** The most that any window of the length of the period has, wherever it begins. */
function mostInAnyWindow(times) {
  return Math.max(
    ...times.map((from) => times.filter((time) => time >= from && time < from + PER_SECONDS * 1000).length),
  );
}

function row(name, times, taken, top) {
  const base = top + 24 + 12 * PIXELS_PER_REQUEST;
  const bars = [];
  for (let from = 0; from < SECONDS; from += BIN_SECONDS) {
    const isHere = (time) => time >= from * 1000 && time < (from + BIN_SECONDS) * 1000;
    const all = times.filter(isHere).length;
    const green = times.filter((time, i) => isHere(time) && taken[i]).length;
    const bar = (kind, below, count) => {
      if (count === 0) return;
      const [x, y] = [LEFT + from * PIXELS_PER_SECOND, base - (below + count) * PIXELS_PER_REQUEST];
      const [width, height] = [BIN_SECONDS * PIXELS_PER_SECOND - 1, count * PIXELS_PER_REQUEST];
      bars.push(`  <rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`);
    };
    bar('taken', 0, green);
    bar('refused', green, all - green);
  }
  const kept = times.filter((_, i) => taken[i]);
  const said = `${kept.length} of ${times.length} admitted, at most ${mostInAnyWindow(kept)} in any minute`;
  return [
    `  <text class="name" x="${LEFT + 6}" y="${top + 14}">${name}</text>`,
    `  <text class="small" x="${WIDTH - LEFT - 6}" y="${top + 14}" text-anchor="end">${said}</text>`,
    `  <line class="line" x1="${LEFT}" y1="${base + 0.5}" x2="${WIDTH - LEFT}" y2="${base + 0.5}"/>`,
    ...bars,
  ].join('\n');
}

function axis(top) {
  return Array.from({ length: SECONDS / 30 + 1 }, (_, i) => {
    const x = LEFT + i * 30 * PIXELS_PER_SECOND;
    const [rows, tall] = [TOP + 24 - 12, i % 2 === 0 ? top - 8 : TOP + 24 - 12];
    const line = i % 2 === 0 ? `  <line class="line" x1="${x}" y1="${rows}" x2="${x}" y2="${tall}"/>\n` : '';
    return `${line}  <text class="small" x="${x}" y="${top + 6}" text-anchor="middle">${i * 30} s</text>`;
  }).join('\n');
}

/** @param library what nestjs-token-bucket and nestjs-token-bucket/testing export. */
export function algorithmsPicture(library) {
  const times = arrivals();
  const rows = ALGORITHMS.map((algorithm, i) =>
    row(algorithm, times, admitted(library, algorithm, times), TOP + i * ROW_HEIGHT),
  );
  const bottom = TOP + ALGORITHMS.length * ROW_HEIGHT + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 20}" role="img">
  <title>What each algorithm admits of the same requests with a limit of ${CAPACITY} per minute</title>
  <style>${STYLE}  </style>
  <text x="${LEFT}" y="24">The same requests, and a limit of ${CAPACITY} per ${PER_SECONDS} seconds by each algorithm</text>
  <rect class="taken" x="${LEFT}" y="36" width="10" height="10"/>
  <text class="small" x="${LEFT + 16}" y="45">admitted</text>
  <rect class="refused" x="${LEFT + 76}" y="36" width="10" height="10"/>
  <text class="small" x="${LEFT + 92}" y="45">refused (12 requests are as high as the first bar)</text>
${axis(bottom)}
${rows.join('\n')}
</svg>
`;
}
