import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const ENTRIES = ['src/index.ts', 'src/storage/redis/index.ts', 'src/testing/index.ts'].map((file) => join(ROOT, file));
/** Where the declarations would be written. */
const OUT = join(ROOT, 'dist-of-types');
/** A file of somebody who uses the package. */
const TEXT = join(ROOT, 'test/package/application.ts');

/** Types that public signatures may mention and nobody has to name, with the reason. */
const UNNAMED: Readonly<Record<string, string>> = {
  TOPICS: 'only its keys are the type',
  OverrideIndex: 'a member for this package alone',
};
/** Nest makes their instances, so that nobody else calls their constructors. */
const MADE_BY_NEST = ['RateLimitGuard', 'RateLimitInterceptor', 'RateLimitModule'];

describe('The types of the package', () => {
  it('can all be imported by those who use what mentions them', () => {
    const program = programOfDeclarations();
    const checker = program.getTypeChecker();
    const exported = new Map(ENTRIES.flatMap((entry) => exportsOf(checker, program, entry)));
    const missing = [...exported].flatMap(([symbol, name]) =>
      mentionedBy(checker, symbol)
        .filter((type) => isOurs(type) && !exported.has(type) && !(type.name in UNNAMED))
        .map((type) => `${type.name}, which ${name} mentions`),
    );
    expect(exported.size).toBeGreaterThan(100);
    expect(new Set(missing)).toEqual(new Set());
  });

  it('take every client of ioredis where exactOptionalPropertyTypes is set', () => {
    const clients = ['Redis()', 'Cluster([])'].flatMap((made) => [`six.${made}`, `five.${made}`]);
    const program = programOfText(`
      import * as six from 'ioredis';
      import * as five from 'ioredis5';
      import { RedisStorage } from 'nestjs-token-bucket/redis';
      ${clients.map((client) => `new RedisStorage({ client: new ${client} });`).join('\n')}
      new RedisStorage({ client: new six.Cluster('no list') });
    `);
    const said = program.getSemanticDiagnostics(program.getSourceFile(TEXT));
    expect(said.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([
      expect.stringContaining("Argument of type 'string' is not assignable"),
    ]);
  });
});

/** Of an application that is stricter than this package. */
function programOfText(text: string): ts.Program {
  const options: ts.CompilerOptions = { ...compilerOptions(), exactOptionalPropertyTypes: true };
  const disk = ts.createCompilerHost(options);
  return ts.createProgram([TEXT, join(ROOT, 'src/storage/redis/lua-modules.d.ts')], options, {
    ...disk,
    getSourceFile: (path, target, ...rest) =>
      path === TEXT ? ts.createSourceFile(path, text, target) : disk.getSourceFile(path, target, ...rest),
  });
}

/** As the build emits them, with all types that are inferred; in memory. */
function programOfDeclarations(): ts.Program {
  const options: ts.CompilerOptions = {
    ...compilerOptions(),
    declaration: true,
    emitDeclarationOnly: true,
    noEmit: false,
    outDir: OUT,
    rootDir: ROOT,
  };
  const texts = new Map<string, string>();
  const source = ts.createProgram([...ENTRIES, join(ROOT, 'src/storage/redis/lua-modules.d.ts')], options);
  source.emit(undefined, (path, text) => texts.set(path, text), undefined, true);
  const disk = ts.createCompilerHost(options);
  return ts.createProgram(
    ENTRIES.map(declarationOf),
    { ...options, skipLibCheck: true },
    {
      ...disk,
      fileExists: (path) => texts.has(path) || disk.fileExists(path),
      readFile: (path) => texts.get(path) ?? disk.readFile(path),
      directoryExists: () => true,
      getSourceFile: (path, target, ...rest) =>
        texts.has(path)
          ? ts.createSourceFile(path, texts.get(path)!, target)
          : disk.getSourceFile(path, target, ...rest),
    },
  );
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  return ts.parseJsonConfigFileContent(config, ts.sys, ROOT).options;
}

function declarationOf(entry: string): string {
  return entry.replace(ROOT, OUT).replace(/\.ts$/, '.d.ts');
}

function exportsOf(checker: ts.TypeChecker, program: ts.Program, entry: string): [ts.Symbol, string][] {
  const module = checker.getSymbolAtLocation(program.getSourceFile(declarationOf(entry))!)!;
  return checker.getExportsOfModule(module).map((symbol) => [original(checker, symbol), symbol.name]);
}

function original(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** The types that the declarations of a symbol name where everybody can see it. */
function mentionedBy(checker: ts.TypeChecker, symbol: ts.Symbol): readonly ts.Symbol[] {
  const found: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    if (isPrivate(node) || (ts.isConstructorDeclaration(node) && MADE_BY_NEST.includes(symbol.name))) return;
    const name = nameIn(node);
    const type = name === undefined ? undefined : checker.getSymbolAtLocation(name);
    if (type !== undefined) found.push(original(checker, type));
    ts.forEachChild(node, visit);
  };
  symbol.declarations?.forEach(visit);
  return found;
}

function nameIn(node: ts.Node): ts.Node | undefined {
  if (ts.isTypeReferenceNode(node)) return node.typeName;
  if (ts.isExpressionWithTypeArguments(node)) return node.expression;
  if (ts.isTypeQueryNode(node)) return node.exprName;
  return ts.isImportTypeNode(node) ? node.qualifier : undefined;
}

function isPrivate(node: ts.Node): boolean {
  const modifiers = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ?? false;
}

function isOurs(symbol: ts.Symbol): boolean {
  if ((symbol.flags & ts.SymbolFlags.TypeParameter) !== 0) return false;
  return symbol.declarations?.some((declaration) => declaration.getSourceFile().fileName.startsWith(OUT)) ?? false;
}
