import ts from 'typescript';
import type { OwnProgram } from './lint-program.ts';

/** The files that may hold SQL: the store, and those that own a table. */
const HOLDS_SQL = /^nodes\/lib\/store\/|-rows\.ts$/;
/** What takes SQL, whatever the database is called there. */
const TAKES_SQL: ReadonlySet<string> = new Set(['prepare', 'prepareAll', 'exec']);
/** Where that is declared: our store, and Node.js's SQLite. */
const DATABASES = /\/nodes\/lib\/store\/[\w-]+\.ts$|\/sqlite\.d\.ts$/;

/** @returns the files outside of those that hand SQL to a database */
export function sqlOutsideRows({ files, checker, nameOf }: OwnProgram): readonly string[] {
  const handsSql = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && TAKES_SQL.has(node.text) && isOfDatabase(node, checker)) ||
    ts.forEachChild(node, handsSql) === true;
  return files
    .filter((file) => !HOLDS_SQL.test(nameOf(file)) && handsSql(file))
    .map((file) => nameOf(file));
}

function isOfDatabase(name: ts.Identifier, checker: ts.TypeChecker): boolean {
  const symbol = symbolOf(name, checker);
  return (symbol?.declarations ?? []).some((declared) =>
    DATABASES.test(declared.getSourceFile().fileName),
  );
}

function symbolOf(name: ts.Identifier, checker: ts.TypeChecker): ts.Symbol | undefined {
  const { parent } = name;
  if (ts.isBindingElement(parent)) {
    return checker.getTypeAtLocation(parent.parent).getProperty(name.text);
  }
  const symbol = checker.getSymbolAtLocation(name);
  const isAlias = symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0;
  return isAlias ? checker.getAliasedSymbol(symbol) : symbol;
}
