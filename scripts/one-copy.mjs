/**
 * A module to evaluate in a folder where the package can be imported by its name: every entry point gives `import` and
 * `require` the same classes.
 */
export const ONE_COPY = `
  import assert from 'node:assert/strict';
  import { createRequire } from 'node:module';
  import { pathToFileURL } from 'node:url';
  const require = createRequire(pathToFileURL(process.cwd() + '/x.js'));
  for (const entry of ['', '/redis', '/testing']) {
    const [imported, required] = [await import('nestjs-token-bucket' + entry), require('nestjs-token-bucket' + entry)];
    const names = Object.keys(imported).filter((name) => name !== 'default' && name !== 'module.exports');
    assert.ok(names.length > 0, 'nothing is exported');
    for (const name of names) assert.equal(imported[name], required[name], name);
  }`;
