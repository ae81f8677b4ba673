import { join } from 'node:path';
import ts from 'typescript';
import { type Block, isWholeFile, ROOT } from './markdown.js';
import { NAMES_OF_PIECES } from './pieces.js';

/** What the compiler says of each block, as `README.md:12:5: …`; one program for all, with the options of the project. */
export function typeCheck(blocks: readonly Block[]): ReadonlyMap<Block, readonly string[]> {
  const blockOf = new Map(blocks.map((block) => [pathOf(block), block]));
  const options = projectOptions();
  const files = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...files,
    fileExists: (path) => blockOf.has(path) || files.fileExists(path),
    readFile: (path) => sourceOf(blockOf.get(path)) ?? files.readFile(path),
    getSourceFile(path, target, ...rest) {
      const source = sourceOf(blockOf.get(path));
      return source === undefined
        ? files.getSourceFile(path, target, ...rest)
        : ts.createSourceFile(path, source, target);
    },
  };
  const program = ts.createProgram([...blockOf.keys()], options, host);
  return new Map([...blockOf].map(([path, block]) => [block, problemsIn(program, path, block)]));
}

/** In the folder of the project, so that packages are found and `"type": "module"` applies. */
function pathOf({ file, line }: Block): string {
  return join(ROOT, `${file.replaceAll('/', '-')}-${line}.ts`);
}

/** Every line of the code has the number that it has in its document. */
function sourceOf(block: Block | undefined): string | undefined {
  if (block === undefined) return undefined;
  const ending = isWholeFile(block) ? '' : NAMES_OF_PIECES;
  return `${'\n'.repeat(block.line)}${block.code}\nexport {}; ${ending}\n`;
}

function projectOptions(): ts.CompilerOptions {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(ROOT, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
      },
    },
  );
  if (config === undefined) throw new Error('tsconfig.json cannot be read.');
  return config.options;
}

function problemsIn(program: ts.Program, path: string, { file }: Block): readonly string[] {
  const source = program.getSourceFile(path);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ start = 0, messageText }) => {
      const { line, character } = source!.getLineAndCharacterOfPosition(start);
      return `${file}:${line + 1}:${character + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    },
  );
}
