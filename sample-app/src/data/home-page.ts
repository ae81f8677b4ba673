import { DEFAULT_LIMIT, examplesAt } from '../examples.js';

const EXAMPLE_URL = 'http://127.0.0.1:3000';

const rows = examplesAt(EXAMPLE_URL).map(
  ({ route, limit, curl }) =>
    `<tr><td><b>${escapeHtml(route)}</b><br>${escapeHtml(limit)}<td><code>${escapeHtml(curl)}</code>`,
);

/** The same for every request: nothing that a client sends gets into it. */
export const HOME_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>nestjs-token-bucket: sample app</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  td { padding: .4rem 1.5rem .4rem 0; vertical-align: top; border-top: 1px solid #8884 }
  code, pre { font-size: .85em; overflow-wrap: anywhere }
  button { font: inherit; padding: .3rem 1rem }
</style>
<h1>nestjs-token-bucket: sample app</h1>
<p>A burst of 15 requests to <b>/data</b>: 10 are allowed, and then 2 more each second. Loading this page took one, too.
<p><button>Send 15 requests</button>
<pre></pre>
<table>${rows.join('\n')}</table>
<p>${escapeHtml(DEFAULT_LIMIT)}
<script>
  for (const code of document.querySelectorAll('code')) {
    code.textContent = code.textContent.replace('${EXAMPLE_URL}', location.origin);
  }
  const output = document.querySelector('pre');
  document.querySelector('button').onclick = async () => {
    output.textContent = '';
    for (let number = 1; number <= 15; number++) {
      const { status, headers } = await fetch('data', { cache: 'no-store' });
      const wait = headers.get('Retry-After');
      output.textContent += String(number).padStart(2) + '  ' + status +
        '  remaining ' + headers.get('X-RateLimit-Remaining') + (wait ? ', retry after ' + wait + ' s' : '') + '\\n';
    }
  };
</script>
`;

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
