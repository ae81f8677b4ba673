import type { Example } from './example.js';
import { planExamplesAt } from './plan-examples.js';

/** Every route with its limit and a command that shows it. */
export function examplesAt(url: string): readonly Example[] {
  return [
    {
      route: 'GET /data',
      limit: 'per address 10 at once, 2 more each second; shared with GET /',
      curl: `curl -i '${url}/data'`,
    },
    {
      route: 'GET /reports',
      limit: 'per user 30 in 60 seconds, as well as the default',
      curl: `curl -i -H 'Authorization: Bearer alice-token' '${url}/reports'`,
    },
    {
      route: 'POST /exports',
      limit: 'per address 5 in 60 seconds, as well as the default; shared with POST /exports/preview',
      curl: `curl -i -X POST '${url}/exports'`,
      status: 202,
    },
    {
      route: 'POST /exports/preview',
      limit: 'shared with POST /exports',
      curl: `curl -i -X POST '${url}/exports/preview'`,
    },
    {
      route: 'POST /notifications',
      limit: 'per recipient 3 mails in 60 seconds, whoever sends them; counted in code, as well as the default',
      curl: `curl -i -H 'Authorization: Bearer alice-token' -d to=ada@example.org -d text=Hello '${url}/notifications'`,
    },
    {
      route: 'GET /parcels/:id',
      limit: 'calls of the carrier wait: 4 at once, 10 more each second; the default per address',
      curl: `curl -i '${url}/parcels/42'`,
    },
    {
      route: 'POST /complete',
      limit:
        'per user 1000 tokens of a made-up language model in 60 seconds: an estimate is charged, and settled by what was used; as well as the default',
      curl: `curl -i -H 'Authorization: Bearer alice-token' -d 'prompt=Write 300 words' '${url}/complete'`,
    },
    {
      route: 'POST /login',
      limit: 'per address 5 attempts that fail in 60 seconds, as well as the default',
      curl: `curl -i -d username=alice -d password=alice-password '${url}/login'`,
    },
    ...planExamplesAt(url),
    {
      route: 'GET /health',
      limit: 'none',
      curl: `curl -i '${url}/health'`,
    },
  ];
}

export const DEFAULT_LIMIT = 'The default: per address 100 in 60 seconds over all routes that do not replace it.';

/** What the application says when it has started. */
export function tryItAt(url: string): string {
  const examples = examplesAt(url).map(
    ({ route, limit, curl, status = 200 }) => `  # ${route} answers ${status}: ${limit}\n  ${curl}`,
  );
  return [
    `Listening on ${url}`,
    '',
    ...examples,
    '',
    `  # ${DEFAULT_LIMIT}`,
    '',
    '  # Ten answers 200, then 429:',
    `  for i in $(seq 15); do curl -s -o /dev/null -w '%{http_code} ' '${url}/data'; done; echo`,
    '',
  ].join('\n');
}
