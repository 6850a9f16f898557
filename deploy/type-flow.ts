import ts from 'typescript';

/** Told that whoever takes `asked` takes `given` with it. */
type Taken = (asked: ts.Node, given: ts.Node) => void;

/** How deep a value is followed into what it is made of. */
const DEEPEST = 6;

/**
 * Follows values to where another type is asked for: a room handed over as a port, a class that
 * implements an interface. Whoever calls the port's member calls the room's.
 */
export class TypeFlow {
  readonly #checker: ts.TypeChecker;
  readonly #taken: Taken;
  readonly #seen = new Map<ts.Type, Set<ts.Type>>();

  constructor(checker: ts.TypeChecker, taken: Taken) {
    this.#checker = checker;
    this.#taken = taken;
  }

  /** What the class extends and implements is asked of it. */
  ofClass(node: ts.ClassLikeDeclaration): void {
    const own = this.#checker.getTypeAtLocation(node);
    for (const clause of node.heritageClauses ?? []) {
      for (const type of clause.types) this.#flow(own, this.#checker.getTypeAtLocation(type));
    }
  }

  /** An expression is what its place asks for. */
  ofExpression(node: ts.Expression): void {
    const asked = this.#checker.getContextualType(node);
    if (asked !== undefined) this.#flow(this.#checker.getTypeAtLocation(node), asked);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) this.#ofCall(node);
  }

  /** What a type parameter must have is asked of what stands for it. */
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

  /** `Promise<Room>` where `Promise<Port>` is asked for. */
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

  /** What a function gives is what its place is given, and what it gets comes from there. */
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

/** Whether something is declared by a package or the language, and by nothing of ours. */
export function isOutside(symbol: ts.Symbol | undefined): boolean {
  const places = symbol?.declarations ?? [];
  return places.length > 0 && places.every(stoodOutside);
}

/** @returns whether a declaration stands in a package, or in the language's own library */
export function stoodOutside(node: ts.Node): boolean {
  return node.getSourceFile().isDeclarationFile;
}
