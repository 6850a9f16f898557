import { join, relative } from 'node:path';
import ts from 'typescript';
import { stoodOutside, TypeFlow } from './type-flow.ts';

/** Something that our code offers and that no code which runs takes. */
export interface Unused {
  readonly kind: 'export' | 'member';
  readonly file: string;
  /** `settle`, or `Cache.settle` of a class. */
  readonly name: string;
}

/** What something outside of our code takes by its name, and why no mention of it is found. */
const TAKEN_BY_NAME: readonly { readonly what: RegExp; readonly why: string }[] = [
  {
    what: /^nodes\/([\w-]+)\/\1\.ts register$/,
    why: 'Node-RED loads the nodes that package.json lists, and calls what they export by default.',
  },
  {
    what: /^packages\/[\w-]+\/nodes\/([\w-]+)\/\1\.ts register$/,
    why: 'The same, in the Node-RED of whoever installed the package.',
  },
  {
    what: /^packages\/node-red-flow-files\/lib\/flow-storage\.ts flowFiles$/,
    why: 'The settings.js of any Node-RED calls it.',
  },
  {
    what: /^nodes\/lib\/cache\/policy\/simulated-cache\.ts ShadowCache\.(?:has|heldBytes|keepAhead)$/,
    why: '`npm run bench` plays other policies against this one and has to see what it holds.',
  },
  {
    what: /^packages\/node-red-contrib-balupi-tapo\/lib\/energy\/energy\.ts Energy\.prune$/,
    why: '`npm run bench` measures one slice of the pruning; the metering itself prunes by its clock.',
  },
];

/** Who mentions whom, by symbol and not by spelling. */
class Mentions {
  /** From a declaration to what its text mentions. */
  readonly #from = new Map<ts.Node, Set<ts.Node>>();
  /** What is mentioned outside of every declaration: that text runs when its file is loaded. */
  readonly #roots = new Set<ts.Node>();
  readonly #checker: ts.TypeChecker;
  readonly #flow: TypeFlow;

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
    this.#flow = new TypeFlow(checker, (asked, given) => {
      this.#add(given, stoodOutside(asked) ? undefined : asked);
    });
  }

  read(file: ts.SourceFile): void {
    for (const statement of file.statements) {
      if (ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement)) continue;
      this.#visit(statement, undefined);
    }
  }

  /** Takes a declaration as mentioned, whoever does. */
  keep(node: ts.Node): void {
    this.#roots.add(node);
  }

  /** @returns every declaration that running code reaches */
  reached(): ReadonlySet<ts.Node> {
    const found = new Set(this.#roots);
    // A set is walked on to what is added meanwhile.
    for (const node of found) for (const next of this.#from.get(node) ?? []) found.add(next);
    return found;
  }

  #visit(node: ts.Node, holder: ts.Node | undefined): void {
    const within = isHolder(node) ? node : holder;
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) this.#mention(node, within);
    else if (ts.isElementAccessExpression(node)) this.#mentionKeys(node, within);
    else if (ts.isClassLike(node)) this.#flow.ofClass(node);
    if (ts.isExpression(node)) this.#flow.ofExpression(node);
    ts.forEachChild(node, (child) => this.#visit(child, within));
  }

  #mention(name: ts.Identifier | ts.PrivateIdentifier, holder: ts.Node | undefined): void {
    const { parent } = name;
    if (ts.isBindingElement(parent) && (parent.propertyName ?? parent.name) === name) {
      const whole = this.#checker.getTypeAtLocation(parent.parent);
      this.#note(whole.getProperty(name.text), holder);
    } else if (ts.isShorthandPropertyAssignment(parent)) {
      this.#note(this.#checker.getShorthandAssignmentValueSymbol(parent), holder);
    } else if (!isNameOfItsParent(name)) {
      this.#note(this.#checker.getSymbolAtLocation(name), holder);
    }
  }

  /** `room[key]` mentions all that `key` may be. */
  #mentionKeys(node: ts.ElementAccessExpression, holder: ts.Node | undefined): void {
    const key = this.#checker.getTypeAtLocation(node.argumentExpression);
    const whole = this.#checker.getTypeAtLocation(node.expression);
    for (const one of key.isUnion() ? key.types : [key]) {
      if (one.isStringLiteral()) this.#note(whole.getProperty(one.value), holder);
    }
  }

  /** Notes where a symbol is declared, and every re-export on the way there. */
  #note(symbol: ts.Symbol | undefined, holder: ts.Node | undefined): void {
    let at = symbol;
    while (at !== undefined) {
      for (const declared of at.declarations ?? []) this.#add(declared, holder);
      const isAlias = (at.flags & ts.SymbolFlags.Alias) !== 0;
      at = isAlias ? this.#checker.getImmediateAliasedSymbol(at) : undefined;
    }
  }

  #add(to: ts.Node, from: ts.Node | undefined): void {
    if (from === undefined) this.#roots.add(to);
    else if (from !== to) {
      const there = this.#from.get(from);
      if (there === undefined) this.#from.set(from, new Set([to]));
      else there.add(to);
    }
  }
}

/** Whether what a node says counts only when the node itself is taken. */
function isHolder(node: ts.Node): boolean {
  if (ts.isClassElement(node)) {
    return ts.isClassLike(node.parent) && !ts.isConstructorDeclaration(node);
  }
  if (ts.isVariableDeclaration(node)) return ts.isSourceFile(node.parent.parent.parent);
  return ts.isSourceFile(node.parent) && isNamedStatement(node);
}

function isNamedStatement(node: ts.Node): node is ts.DeclarationStatement {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isEnumDeclaration(node)
  );
}

function isNameOfItsParent(node: ts.Node): boolean {
  const { parent } = node;
  return !ts.isPropertyAccessExpression(parent) && 'name' in parent && parent.name === node;
}

interface Offer {
  readonly kind: Unused['kind'];
  readonly name: string;
  readonly node: ts.Node;
}

/** All that a file offers to others. */
function* offersOf(file: ts.SourceFile): Iterable<Offer> {
  for (const statement of file.statements) {
    if (ts.isExportDeclaration(statement)) yield* reExports(statement);
    if (ts.isClassDeclaration(statement)) yield* membersOf(statement);
    if (!isExported(statement)) continue;
    if (ts.isVariableStatement(statement)) {
      for (const node of statement.declarationList.declarations) {
        yield { kind: 'export', name: node.name.getText(), node };
      }
    } else if (isNamedStatement(statement)) {
      yield { kind: 'export', name: statement.name?.getText() ?? 'default', node: statement };
    }
  }
}

function* reExports({ exportClause }: ts.ExportDeclaration): Iterable<Offer> {
  if (exportClause === undefined || !ts.isNamedExports(exportClause)) return;
  for (const node of exportClause.elements) {
    yield { kind: 'export', name: node.name.getText(), node };
  }
}

function* membersOf(owner: ts.ClassDeclaration): Iterable<Offer> {
  for (const node of owner.members) {
    const { name } = node;
    if (name === undefined || !ts.isIdentifier(name)) continue;
    yield { kind: 'member', name: `${owner.name?.text ?? 'default'}.${name.text}`, node };
  }
}

function isExported(statement: ts.Statement): boolean {
  if (!ts.canHaveModifiers(statement)) return false;
  const modifiers = ts.getModifiers(statement) ?? [];
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

/**
 * Finds exports and public members that no running code takes: tests may call them, and the house
 * does not. A mending that nobody calls mends nothing.
 * @param places files and folders of code that runs, as seen from `folder`; tests are none
 * @param folder a tree laid out like this one
 * @throws Error when the compiler cannot read the tree
 */
export function unusedIn(places: readonly string[], folder = process.cwd()): readonly Unused[] {
  const config = ts.getParsedCommandLineOfConfigFile(join(folder, 'tsconfig.json'), {}, host());
  if (config === undefined) throw new Error(`There is no tsconfig.json in ${folder}`);
  const nameOf = (file: string): string => relative(folder, file).replaceAll('\\', '/');
  const isOurs = (file: string): boolean =>
    places.some((place) => nameOf(file) === place || nameOf(file).startsWith(`${place}/`));
  const program = ts.createProgram(config.fileNames.filter(isOurs), config.options);
  const files = program.getSourceFiles().filter(({ fileName }) => isOurs(fileName));
  const mentions = new Mentions(program.getTypeChecker());
  for (const file of files) mentions.read(file);
  const offers = files.flatMap((file) =>
    [...offersOf(file)].map((offer) => ({ ...offer, file: nameOf(file.fileName) })),
  );
  for (const { file, name, node } of offers) {
    if (TAKEN_BY_NAME.some(({ what }) => what.test(`${file} ${name}`))) mentions.keep(node);
  }
  const reached = mentions.reached();
  return offers
    .filter(({ node }) => !reached.has(node))
    .map(({ kind, file, name }) => ({ kind, file, name }));
}

function host(): ts.ParseConfigFileHost {
  return {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
    },
  };
}
