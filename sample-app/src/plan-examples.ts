import type { Example } from './example.js';

/** Limits by plan, and what administrators may do about them. */
export function planExamplesAt(url: string): readonly Example[] {
  return [
    {
      route: 'GET /search',
      limit: 'per user 10 in 60 seconds on the plan of alice, 60 on that of bob; as well as the default',
      curl: `curl -i -H 'Authorization: Bearer alice-token' '${url}/search?q=sales'`,
    },
    {
      route: 'PUT /admin/search-limits/:userId',
      limit:
        'the default; gives alice another limit for her searches: here at once, on other instances within about a second',
      curl: `curl -i -X PUT -H 'Authorization: Bearer carol-token' -H 'Content-Type: application/json' -d '{"perMinute":100}' '${url}/admin/search-limits/user-1'`,
      status: 204,
    },
    {
      route: 'DELETE /admin/search-limits/:userId',
      limit: 'the default; has the plan count again',
      curl: `curl -i -X DELETE -H 'Authorization: Bearer carol-token' '${url}/admin/search-limits/user-1'`,
    },
    {
      route: 'GET /admin/denials',
      limit: 'the default; how many requests this instance has denied, by route',
      curl: `curl -i -H 'Authorization: Bearer carol-token' '${url}/admin/denials'`,
    },
  ];
}
