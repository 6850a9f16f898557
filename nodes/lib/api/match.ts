import type { Endpoint } from './endpoint.ts';
import { decodeLenient, encodeSegment, type Segment, type Target } from './normalise.ts';

export type Match =
  | {
      readonly kind: 'endpoint';
      readonly endpoint: Endpoint;
      /** Decoded; the raw rest of a download is not included. */
      readonly params: Readonly<Record<string, string>>;
      /** What follows `/api/files/download/`, undecoded; null elsewhere. */
      readonly rest: string | null;
    }
  /** 405. `allow` is the value of the `Allow` header. */
  | { readonly kind: 'method_not_allowed'; readonly allow: string }
  /** `OPTIONS` on an address that exists, or may exist on the NAS. */
  | { readonly kind: 'options'; readonly allow: string }
  /** 403, in whatever case it is written. */
  | { readonly kind: 'never_passed' }
  /** 404 at once: no address has such characters, or it is one of ours in different case. */
  | { readonly kind: 'no_address' }
  /** 400: an address of the NAS that ends in a path which no file can have. */
  | { readonly kind: 'bad_path' }
  /** A custom route of a flow, else the NAS's. */
  | { readonly kind: 'passed'; readonly address: PassedAddress }
  /** A custom route of a flow, or 404. */
  | { readonly kind: 'unknown' };

/**
 * NAS routes that are never passed on (contract 6): they check no owner there, or create accounts
 * and sign-ins that nobody should be able to request through the Pi.
 */
const NEVER_PASSED: readonly (readonly string[])[] = [
  'api/sync/upload',
  'api/auth/register',
  'api/auth/login-pin',
  'api/auth/dev',
  'api/auth/recovery-reset',
  'api/setup',
].map((path) => path.split('/'));

/** What the API of BaluHost is made of; `TRACE` would tell a page the token it must not see. */
const PASSED_METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

interface Described {
  readonly endpoint: Endpoint;
  /** Of its parameters, in their order. */
  readonly names: readonly string[];
}

/**
 * The one place that decides what a request is for. What is not found under exactly these words
 * reaches none of our operations: an address of ours in different case is rejected, because the
 * router behind would accept it.
 */
export class Matcher {
  readonly #ours = new RouteTable<Described>();

  constructor(endpoints: readonly Endpoint[]) {
    for (const endpoint of endpoints) {
      const { method, path, rest } = endpoint;
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '');
      const pattern = rest === 'raw' ? path.replace(/\{\w+\}$/, '{path*}') : path;
      this.#ours.add(method, pattern, { endpoint, names });
    }
  }

  /** @param method as sent; `HEAD` counts as `GET` */
  match(method: string, target: Target): Match {
    const asked = method === 'HEAD' ? 'GET' : method;
    const { segments } = target;
    const ours = this.#ours.find(asked, segments);
    if (ours.kind === 'found') return this.#ourMatch(asked, ours, target);
    if (isNeverPassed(target)) return { kind: 'never_passed' };
    const passed = passedAddress(asked, target);
    if (passed.kind === 'bad_path') return passed;
    // A file's path may look like one of our routes: it is still the NAS's, in every case.
    if (passed.kind === 'address' && passed.address.filePath !== null) {
      return { kind: 'passed', address: passed.address };
    }
    const misspelt = this.#ours.find(asked, segments, true).kind;
    if (misspelt === 'found' || !target.isPlain) return { kind: 'no_address' };
    if (ours.kind === 'other_methods') return this.#otherMethods(asked, ours.methods, target);
    if (misspelt !== 'none') return { kind: 'no_address' };
    return passed.kind === 'none' ? { kind: 'unknown' } : ofNas(asked, passed.address);
  }

  /**
   * A word of ours in different case does not match a parameter: the router would take it for ours.
   */
  #ourMatch(
    asked: string,
    ours: Extract<RouteFound<Described>, { kind: 'found' }>,
    target: Target,
  ): Match {
    const inAnyCase = this.#ours.find(asked, target.segments, true);
    const isMisspelt =
      ours.captured.length > 0 && inAnyCase.kind === 'found' && inAnyCase.value !== ours.value;
    return isMisspelt ? { kind: 'no_address' } : endpointMatch(ours, target);
  }

  #otherMethods(asked: string, methods: readonly string[], target: Target): Match {
    const passed = passedAddress(asked, target);
    const isNas = passed.kind === 'address' && this.#isBaluHosts(methods, target.segments);
    return isNas ? ofNas(asked, passed.address) : notTaken(asked, new Set(methods));
  }

  /** Whether the NAS has that address too, and may take more methods there. */
  #isBaluHosts(methods: readonly string[], segments: readonly Segment[]): boolean {
    return methods.some((method) => {
      const found = this.#ours.find(method, segments);
      return found.kind === 'found' && found.value.endpoint.isBaluHosts;
    });
  }
}

/** Only the NAS knows what it accepts there. */
function ofNas(asked: string, address: PassedAddress): Match {
  return PASSED_METHODS.has(asked) ? { kind: 'passed', address } : notTaken(asked, PASSED_METHODS);
}

function notTaken(asked: string, methods: ReadonlySet<string>): Match {
  return { kind: asked === 'OPTIONS' ? 'options' : 'method_not_allowed', allow: allow(methods) };
}

/** In any case, and double-escaped, as a proxy on the way might decode once. */
export function isNeverPassed({ segments }: Pick<Target, 'segments'>): boolean {
  const words = readAgain(segments);
  return NEVER_PASSED.some((names) => names.every((name, index) => words[index] === name));
}

/** The path as read after decoding once more, slashes and dot segments included. */
function readAgain(segments: readonly Segment[]): readonly string[] {
  const words: string[] = [];
  for (const { text } of segments) {
    const again = decodeLenient(text).toLowerCase();
    if (again === text.toLowerCase()) words.push(again);
    else for (const word of again.split(/[/\\]/)) goOn(words, word);
  }
  return words;
}

function goOn(words: string[], word: string): void {
  if (word === '..') words.pop();
  else if (word !== '' && word !== '.') words.push(word);
}

function endpointMatch(
  found: Extract<RouteFound<Described>, { kind: 'found' }>,
  target: Target,
): Match {
  const { endpoint, names } = found.value;
  const params = named(names, found.captured);
  const rest = found.restFrom === null ? null : target.rawFrom(found.restFrom);
  return { kind: 'endpoint', endpoint, params, rest };
}

function allow(methods: ReadonlySet<string>): string {
  const head = methods.has('GET') ? ['HEAD'] : [];
  return [...methods, ...head, 'OPTIONS'].sort().join(', ');
}

function named(names: readonly string[], captured: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  captured.forEach((value, index) => {
    const name = names[index];
    if (name !== undefined) params[name] = value;
  });
  return params;
}

interface Branch<T> {
  readonly literals: Map<string, Branch<T>>;
  param: Branch<T> | null;
  /** By method, for a path that ends here. */
  readonly ends: Map<string, T>;
  /** By method, for a path that continues from here with anything. */
  readonly rests: Map<string, T>;
  /** By method, for a path that continues from here with a file's own path. */
  readonly files: Map<string, T>;
}

/**
 * What a path led to. `captured` holds the parameters in their order; `restFrom` is the place of
 * the first segment that a `{name*}` took.
 */
type RouteFound<T> =
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
class RouteTable<T> {
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

/** One lookup. `methods` collects the methods the path would have accepted instead. */
class Walk<T> {
  readonly methods = new Set<string>();
  readonly #method: string;
  readonly #segments: readonly Segment[];
  readonly #anyCase: boolean;
  /** From here on every segment is literal. */
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

/** An address of the NAS as passed on: exactly what was matched, encoded again. */
export interface PassedAddress {
  /** Decoded, without the `api` before them; the segments of a file's own path too. */
  readonly segments: readonly string[];
  /** The file's path where the address ends in one, as `alice/a.jpg`; else null. */
  readonly filePath: string | null;
  /** As the NAS reads it: a raw `+` is a space, and of several equal ones it takes the last. */
  readonly query: URLSearchParams;
  /** Path and query as they go on the wire. */
  readonly url: string;
}

type PassedAddressFound =
  | { readonly kind: 'address'; readonly address: PassedAddress }
  /** It ends in a file's path that no file can have. */
  | { readonly kind: 'bad_path' }
  /** Not below `/api`, or with characters that no address has. */
  | { readonly kind: 'none' };

/** Addresses of BaluHost 1.38 that end in a file's own path, from its OpenAPI document. */
const FILE_ENDS: readonly { method: string; head: readonly string[]; tail?: string }[] = [
  { method: 'DELETE', head: ['files', 'raw'] },
  { method: 'DELETE', head: ['files'] },
  { method: 'POST', head: ['sync', 'conflicts'], tail: 'resolve' },
  { method: 'GET', head: ['sync', 'history'] },
];

const NONE: PassedAddressFound = { kind: 'none' };
const BAD_PATH: PassedAddressFound = { kind: 'bad_path' };

/**
 * Reads an address that BaluPi does not answer itself.
 * @param method `HEAD` counts as `GET`
 */
export function passedAddress(method: string, target: Target): PassedAddressFound {
  const [api, ...below] = target.segments.map(({ text }) => text);
  if (api !== 'api' || below.length === 0) return NONE;
  const query = new URLSearchParams(target.query);
  if (method === 'DELETE' && below.length === 1 && below[0] === 'files') return ofQuery(query);
  const end = fileEnd(method, below);
  if (end !== null) return withFile(end, query);
  if (!target.isPlain) return NONE;
  const slash = target.endsInSlash ? '/' : '';
  return { kind: 'address', address: written(below, { slash, query, filePath: null }) };
}

interface FileEnd {
  readonly head: readonly string[];
  readonly path: readonly string[];
  readonly tail: readonly string[];
}

function fileEnd(method: string, below: readonly string[]): FileEnd | null {
  for (const { method: wanted, head, tail } of FILE_ENDS) {
    if (method !== wanted || below.length <= head.length) continue;
    if (!head.every((word, index) => below[index] === word)) continue;
    const rest = below.slice(head.length);
    const hasTail = tail !== undefined && rest.length > 1 && rest.at(-1) === tail;
    return {
      head,
      path: hasTail ? rest.slice(0, -1) : rest,
      tail: hasTail ? [tail] : [],
    };
  }
  return null;
}

/**
 * `DELETE /api/files?path=`, as BaluDesk writes it: BaluHost answers with a redirect that the client
 * does not follow, so it is brought into the form that works.
 */
function ofQuery(query: URLSearchParams): PassedAddressFound {
  const path = query.getAll('path').at(-1);
  if (path === undefined) {
    return { kind: 'address', address: written(['files'], { slash: '', query, filePath: null }) };
  }
  query.delete('path');
  return withFile({ head: ['files'], path: [path], tail: [] }, query);
}

function withFile({ head, path, tail }: FileEnd, query: URLSearchParams): PassedAddressFound {
  // An escaped slash is one to the NAS, so it is one here.
  const words = path.flatMap((word) => word.split('/')).filter((word) => word !== '');
  const isBad = words.some((word) => word === '.' || word === '..' || word.includes('\0'));
  if (isBad || words.length === 0) return BAD_PATH;
  const filePath = words.join('/');
  const address = written([...head, ...words, ...tail], { slash: '', query, filePath });
  return { kind: 'address', address };
}

function written(
  segments: readonly string[],
  rest: { slash: string; query: URLSearchParams; filePath: string | null },
): PassedAddress {
  const { slash, query, filePath } = rest;
  const path = `/api/${segments.map(encodeSegment).join('/')}${slash}`;
  const asked = query.toString();
  return { segments, filePath, query, url: asked === '' ? path : `${path}?${asked}` };
}
