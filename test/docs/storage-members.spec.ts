import ts from 'typescript';
import { blockWith, textOf } from './support/markdown.js';

/** What a storage must have, and what it may have: the names, in order of the alphabet. */
interface Members {
  readonly must: readonly string[];
  readonly may: readonly string[];
}

/** The members of a class, of which some kinds must be written by whoever extends it. */
function membersOf(
  source: string,
  className: string,
  mustBeWritten: (modifiers: readonly ts.SyntaxKind[]) => boolean,
): Members {
  const file = ts.createSourceFile('storage.ts', source, ts.ScriptTarget.Latest);
  const found = file.statements.find((node) => ts.isClassDeclaration(node) && node.name?.text === className);
  const { members } = found as ts.ClassDeclaration;
  const all = members.map((member) => ({
    name: (member.name as ts.Identifier).text,
    isNeeded: mustBeWritten((ts.getModifiers(member as ts.MethodDeclaration) ?? []).map(({ kind }) => kind)),
  }));
  const named = (isNeeded: boolean) => all.filter((x) => x.isNeeded === isNeeded).map(({ name }) => name);
  return sorted({ must: named(true), may: named(false) });
}

function sorted({ must, may }: Members): Members {
  return { must: must.toSorted(), may: may.toSorted() };
}

const declared = membersOf(textOf('src/core/storage.ts'), 'RateLimitStorage', (modifiers) =>
  modifiers.includes(ts.SyntaxKind.AbstractKeyword),
);

test('a storage has members that it must have, and some that it may have', () => {
  expect(declared.must).toContain('consume');
  expect(declared.may).toContain('open');
});

test('CONTRIBUTING.md names all that a new storage must have and may have', () => {
  const section = textOf('CONTRIBUTING.md')
    .split(/^## /m)
    .find((text) => text.startsWith('Adding a storage\n'))!;
  const [must = '', may = ''] = section.match(/^- .*?(?=\n- |\n\n)/gms)!;
  const namesIn = (text: string) => Array.from(text.matchAll(/`(\w+)`/g), ([, name]) => name!);
  expect(sorted({ must: namesIn(must), may: namesIn(may) })).toEqual(declared);
});

test('docs/storage.md declares all that a storage of yours must have and may have', () => {
  const { code } = blockWith('declare class YourStorage', 'docs/storage.md');
  const overrides = (modifiers: readonly ts.SyntaxKind[]) => modifiers.includes(ts.SyntaxKind.OverrideKeyword);
  expect(membersOf(code, 'YourStorage', (modifiers) => !overrides(modifiers))).toEqual(declared);
});
