// Loads the contenders a second time, on another build of this package: modules of their own, so that no loop and no
// function is shared by both, and none sees the objects of two builds.
import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { join, resolve as absolute } from 'node:path';
import { pathToFileURL } from 'node:url';

const CONTENDERS = './contenders.mjs?other-build';
const THIS_BUILD = '../../dist/esm/';

/** Where the other build is; undefined if there is none. */
export function buildIn(directory) {
  const build = absolute(directory);
  return existsSync(join(build, 'index.js')) ? build : undefined;
}

/** @param {string} build a {@link buildIn} a directory */
export async function contendersOn(build) {
  register(import.meta.url, { data: `${pathToFileURL(build)}/` });
  return import(CONTENDERS);
}

let otherBuild;

/** From here on it runs beside, as a hook of Node's. */
export function initialize(url) {
  otherBuild = url;
}

export async function resolve(specifier, context, next) {
  const isOther = context.parentURL?.endsWith(CONTENDERS.slice(1)) && specifier.startsWith(THIS_BUILD);
  return next(isOther ? new URL(specifier.slice(THIS_BUILD.length), otherBuild).href : specifier, context);
}
