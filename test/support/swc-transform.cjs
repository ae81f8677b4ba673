'use strict';
// What jest needs that its defaults lack, in one transformer:
// - TypeScript with decorator metadata, because dependency injection reads it;
// - ESM dependencies (Nest 12 and friends) lowered to CommonJS, because jest cannot require ESM before Node 24.9;
// - Lua scripts as modules, as the build makes them.
// CommonJS dependencies pass through untouched.
const { createHash } = require('node:crypto');
const { createTransformer } = require('@swc/jest');

const typescript = createTransformer({
  sourceMaps: 'inline',
  module: { type: 'commonjs' },
  jsc: {
    target: 'es2023',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
  },
});

const esm = createTransformer({
  sourceMaps: false,
  module: { type: 'commonjs' },
  jsc: { target: 'es2023', parser: { syntax: 'ecmascript' } },
});

const LOOKS_ESM = /^\s*(?:import|export)\b[^(]|\bimport\.meta\b/m;

const luaModule = (source) =>
  `Object.defineProperty(exports, '__esModule', { value: true });\nexports.default = ${JSON.stringify(source)};\n`;

const lua = {
  process: (source) => ({ code: luaModule(source) }),
  getCacheKey: (source) => createHash('sha256').update(luaModule(source)).digest('hex'),
};

const passThrough = {
  process: (source) => ({ code: source }),
  getCacheKey: (source) => createHash('sha256').update(source).digest('hex'),
};

function transformerFor(source, file) {
  if (file.endsWith('.lua')) return lua;
  if (/\.[cm]?tsx?$/.test(file)) return typescript;
  return LOOKS_ESM.test(source) ? esm : passThrough;
}

module.exports = {
  canInstrument: false,
  process: (source, file, options) => transformerFor(source, file).process(source, file, options),
  getCacheKey: (source, file, options) => transformerFor(source, file).getCacheKey(source, file, options),
};
