import ts from 'typescript';
import type { OwnProgram } from './lint-program.ts';

/** An export or member that no running code uses, or an exemption that exempts nothing. */
interface Unused {
  readonly kind: 'export' | 'member' | 'exemption';
  readonly file: string;
  /** `settle`, or `Cache.settle` of a class. */
  readonly name: string;
}

/** What is used from outside of our code, by `file name`, and why no mention of it is found. */
export interface Exemption {
  readonly what: RegExp;
  readonly why: string;
}

export const EXEMPTIONS: readonly Exemption[] = [
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
    what: /^nodes\/lib\/cache\/policy\/simulated-cache\.ts SimulatedCache\.(?:has|heldBytes|keepAhead)$/,
    why: '`npm run bench` plays other policies against this one and has to see what it holds.',
  },
];

/** The graph of mentions, by symbol and not by spelling. */
class Mentions {
  /** From a declaration to what its text mentions. */
  readonly #from = new Map<ts.Node, Set<ts.Node>>();
  /** Mentioned outside of every declaration, so used when the file is loaded. */
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

  /** Marks a declaration as used. */
  keep(node: ts.Node): void {
    this.#roots.add(node);
  }

  /** @returns every declaration that running code reaches */
  reached(): ReadonlySet<ts.Node> {
    const found = new Set(this.#roots);
    // Iterating a set also visits what is added meanwhile.
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

  /** `object[key]` mentions every member that `key` may name. */
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

/** Whether mentions inside a node count only if the node itself is used. */
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
  readonly kind: 'export' | 'member';
  readonly name: string;
  readonly node: ts.Node;
}

/** All exports and public members of a file. */
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
 * Finds exports and public members that no running code uses, though tests may: a fix that nothing
 * calls fixes nothing.
 * @param program of running code, so without tests
 * @param exemptions what counts as used all the same; one that is used anyway is found as well
 */
export function unusedIn(program: OwnProgram, exemptions: readonly Exemption[]): readonly Unused[] {
  const { files, checker, nameOf } = program;
  const mentions = new Mentions(checker);
  for (const file of files) mentions.read(file);
  const offers = files.flatMap((file) =>
    [...offersOf(file)].map((offer) => ({ ...offer, file: nameOf(file) })),
  );
  const exempted = exemptions.map(({ what }) => ({
    what,
    taken: offers.filter(({ file, name }) => what.test(`${file} ${name}`)),
  }));
  const stale = staleOf(exempted, mentions.reached());
  for (const { node } of exempted.flatMap(({ taken }) => taken)) mentions.keep(node);
  const reached = mentions.reached();
  const unused = offers.filter(({ node }) => !reached.has(node));
  return [...unused.map(({ kind, file, name }) => ({ kind, file, name })), ...stale];
}

/** The exemptions that meet nothing, or what is used without them. */
function staleOf(
  exempted: readonly {
    readonly what: RegExp;
    readonly taken: readonly (Offer & { readonly file: string })[];
  }[],
  used: ReadonlySet<ts.Node>,
): readonly Unused[] {
  return exempted.flatMap(({ what, taken }) => {
    if (taken.length === 0) return { kind: 'exemption', file: 'nowhere', name: what.source };
    return taken
      .filter(({ node }) => used.has(node))
      .map(({ file, name }) => ({ kind: 'exemption', file, name }));
  });
}

/** Called for each pair where using `asked` also uses `given`. */
type Taken = (asked: ts.Node, given: ts.Node) => void;

/** How deep a value is followed into what it is made of. */
const DEEPEST = 6;

/**
 * Follows values to where they are used as another type: a service passed as a port, a class that
 * implements an interface. A call of the port's member is a call of the service's.
 */
class TypeFlow {
  readonly #checker: ts.TypeChecker;
  readonly #taken: Taken;
  readonly #seen = new Map<ts.Type, Set<ts.Type>>();

  constructor(checker: ts.TypeChecker, taken: Taken) {
    this.#checker = checker;
    this.#taken = taken;
  }

  /** A class provides what it extends and implements. */
  ofClass(node: ts.ClassLikeDeclaration): void {
    const own = this.#checker.getTypeAtLocation(node);
    for (const clause of node.heritageClauses ?? []) {
      for (const type of clause.types) this.#flow(own, this.#checker.getTypeAtLocation(type));
    }
  }

  /** An expression provides what its context expects. */
  ofExpression(node: ts.Expression): void {
    const asked = this.#checker.getContextualType(node);
    if (asked !== undefined) this.#flow(this.#checker.getTypeAtLocation(node), asked);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) this.#ofCall(node);
  }

  /** A type argument provides what its parameter's constraint requires. */
  #ofCall(node: ts.CallExpression | ts.NewExpression): void {
    const declared = this.#checker.getResolvedSignature(node)?.declaration;
    if (declared === undefined || !ts.isFunctionLike(declared)) return;
    node.arguments?.forEach((argument, index) => {
      const parameter = declared.parameters[index];
      if (parameter === undefined || ts.isJSDocSignature(declared)) return;
      const asked = this.#checker.getTypeAtLocation(parameter);
      this.#flow(this.#checker.getTypeAtLocation(argument), asked);
    });
  }

  #flow(given: ts.Type, asked: ts.Type, depth = 0): void {
    if (depth > DEEPEST || given === asked || !this.#isNew(given, asked)) return;
    if (asked.isUnion()) return asked.types.forEach((part) => this.#flow(given, part, depth));
    if (given.isUnionOrIntersection()) {
      return given.types.forEach((part) => this.#flow(part, asked, depth));
    }
    const wanted = asked.getConstraint() ?? asked;
    if (!isMadeOfParts(given) || !isMadeOfParts(wanted)) return;
    this.#flowArguments(given, wanted, depth);
    this.#flowCalls(given, wanted, depth);
    if (!isOutside(given.symbol)) this.#flowProperties(given, wanted, depth);
  }

  #isNew(given: ts.Type, asked: ts.Type): boolean {
    const before = this.#seen.get(given);
    if (before === undefined) this.#seen.set(given, new Set([asked]));
    else if (before.has(asked)) return false;
    else before.add(asked);
    return true;
  }

  /** `Promise<Service>` where `Promise<Port>` is asked for. */
  #flowArguments(given: ts.Type, asked: ts.Type, depth: number): void {
    if (given.symbol !== asked.symbol) return;
    const wanted = this.#argumentsOf(asked);
    this.#argumentsOf(given).forEach((argument, index) => {
      const at = wanted[index];
      if (at !== undefined) this.#flow(argument, at, depth + 1);
    });
  }

  #argumentsOf(type: ts.Type): readonly ts.Type[] {
    const isReference = ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) !== 0;
    return isReference ? this.#checker.getTypeArguments(type as ts.TypeReference) : [];
  }

  /** A function's results flow to its context, and its parameters come from there. */
  #flowCalls(given: ts.Type, asked: ts.Type, depth: number): void {
    const one = given.getCallSignatures()[0];
    const other = asked.getCallSignatures()[0];
    if (one === undefined || other === undefined) return;
    this.#flow(one.getReturnType(), other.getReturnType(), depth + 1);
    other.parameters.forEach((parameter, index) => {
      const own = one.parameters[index];
      if (own !== undefined) this.#flow(this.#typeOf(parameter), this.#typeOf(own), depth + 1);
    });
  }

  #flowProperties(given: ts.Type, asked: ts.Type, depth: number): void {
    for (const wanted of asked.getProperties()) {
      const own = given.getProperty(wanted.name);
      if (own === undefined || own === wanted) continue;
      for (const from of wanted.declarations ?? []) {
        for (const to of own.declarations ?? []) if (from !== to) this.#taken(from, to);
      }
      this.#flow(this.#typeOf(own), this.#typeOf(wanted), depth + 1);
    }
  }

  #typeOf(symbol: ts.Symbol): ts.Type {
    return this.#checker.getTypeOfSymbol(symbol);
  }
}

function isMadeOfParts(type: ts.Type): boolean {
  return (type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) !== 0;
}

/** Whether a symbol is declared only by packages or the language. */
function isOutside(symbol: ts.Symbol | undefined): boolean {
  const places = symbol?.declarations ?? [];
  return places.length > 0 && places.every(stoodOutside);
}

/** @returns whether a declaration is in a package or the language's library */
function stoodOutside(node: ts.Node): boolean {
  return node.getSourceFile().isDeclarationFile;
}
