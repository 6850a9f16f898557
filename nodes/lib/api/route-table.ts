import type { Segment } from './normalise.ts';

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>;
  param: Branch<T> | null;
  /** By method, for a path that ends here. */
  readonly ends: Map<string, T>;
  /** By method, for a path that goes on from here with anything. */
  readonly rests: Map<string, T>;
  /** By method, for a path that goes on from here with a file's own. */
  readonly files: Map<string, T>;
}

/**
 * What a path led to. `captured` holds the parameters in their order; `restFrom` is the place of
 * the first segment that a `{name*}` took.
 */
export type RouteFound<T> =
  | {
      readonly kind: 'found';
      readonly value: T;
      readonly captured: readonly string[];
      readonly restFrom: number | null;
    }
  | { readonly kind: 'other_methods'; readonly methods: readonly string[] }
  | { readonly kind: 'none' };

function branch<T>(): Branch<T> {
  return { literals: new Map(), param: null, ends: new Map(), rests: new Map(), files: new Map() };
}

/**
 * Routes in a tree of segments, built once. A lookup visits each branch at most once, so its cost
 * is bounded by the table, not by what a caller sends. A literal wins over a parameter.
 */
export class RouteTable<T> {
  readonly #root: Branch<T> = branch();

  /**
   * @param pattern `/a/{id}/b`; a last segment written `{name*}` takes everything to the end, and
   *   one written `{…path*}` is a file's own path, in which any character may stand
   */
  add(method: string, pattern: string, value: T): void {
    let here = this.#root;
    for (const segment of pattern.split('/').slice(1)) {
      if (segment.endsWith('*}')) {
        (segment.endsWith('path*}') ? here.files : here.rests).set(method, value);
        return;
      }
      here = segment.startsWith('{') ? (here.param ??= branch()) : literal(here, segment);
    }
    here.ends.set(method, value);
  }

  /** @param anyCase whether a literal is found in any case, as Express would find it */
  find(method: string, segments: readonly Segment[], anyCase = false): RouteFound<T> {
    const walk = new Walk<T>(method, segments, anyCase);
    const found = walk.from(this.#root, 0, []);
    if (found !== null) return found;
    if (walk.methods.size === 0) return { kind: 'none' };
    return { kind: 'other_methods', methods: [...walk.methods] };
  }
}

function literal<T>(here: Branch<T>, segment: string): Branch<T> {
  const known = here.literals.get(segment);
  if (known !== undefined) return known;
  const added = branch<T>();
  here.literals.set(segment, added);
  return added;
}

/** One lookup. `methods` gathers what the path would have taken instead. */
class Walk<T> {
  readonly methods = new Set<string>();
  readonly #method: string;
  readonly #segments: readonly Segment[];
  readonly #anyCase: boolean;
  /** From here on every segment is plain. */
  readonly #plainFrom: number;

  constructor(method: string, segments: readonly Segment[], anyCase: boolean) {
    this.#method = method;
    this.#segments = segments;
    this.#anyCase = anyCase;
    this.#plainFrom = segments.findLastIndex(({ isPlain }) => !isPlain) + 1;
  }

  from(here: Branch<T>, index: number, captured: readonly string[]): RouteFound<T> | null {
    const segment = this.#segments[index];
    if (segment === undefined) return this.#end(here.ends, captured, null);
    const deeper = segment.isPlain ? this.#deeper(here, index, captured) : null;
    const plain = index >= this.#plainFrom;
    return (
      deeper ??
      (plain ? this.#end(here.rests, captured, index) : null) ??
      this.#end(here.files, captured, index)
    );
  }

  #deeper(here: Branch<T>, index: number, captured: readonly string[]): RouteFound<T> | null {
    const { text = '' } = this.#segments[index] ?? {};
    const next = here.literals.get(this.#anyCase ? text.toLowerCase() : text);
    const byLiteral = next === undefined ? null : this.from(next, index + 1, captured);
    if (byLiteral !== null || here.param === null) return byLiteral;
    return this.from(here.param, index + 1, [...captured, text]);
  }

  #end(
    methods: ReadonlyMap<string, T>,
    captured: readonly string[],
    restFrom: number | null,
  ): RouteFound<T> | null {
    const value = methods.get(this.#method);
    if (value !== undefined) return { kind: 'found', value, captured, restFrom };
    for (const method of methods.keys()) this.methods.add(method);
    return null;
  }
}
