import { decodeLenient } from './decode.ts';
import type { Endpoint } from './endpoint.ts';
import type { Segment, Target } from './normalise.ts';
import { type PassedAddress, passedAddress } from './passed-address.ts';
import { type RouteFound, RouteTable } from './route-table.ts';

export type Match =
  | {
      readonly kind: 'endpoint';
      readonly endpoint: Endpoint;
      /** Decoded; the raw rest of a download is not among them. */
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
  /** 404 at once: no address has such characters, or it is one of ours in another case. */
  | { readonly kind: 'no_address' }
  /** 400: an address of the NAS that ends in a path which no file can have. */
  | { readonly kind: 'bad_path' }
  /** A tinkerer's own, else the NAS's. */
  | { readonly kind: 'passed'; readonly address: PassedAddress }
  /** A tinkerer's own, or 404. */
  | { readonly kind: 'unknown' };

/**
 * What of the NAS is never passed on (contract 6): it checks no owner there, or makes accounts and
 * sign-ins that nobody at home should be able to ask for through the Pi.
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
 * The one place that decides what a request is for. What it did not find under exactly these words
 * reaches no operation of ours: what is ours in another case is no address at all, because the
 * router behind would take it for ours.
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
    // Whatever of ours a file's path may look like: it is the NAS's, in every case.
    if (passed.kind === 'address' && passed.address.filePath !== null) {
      return { kind: 'passed', address: passed.address };
    }
    const misspelt = this.#ours.find(asked, segments, true).kind;
    if (misspelt === 'found' || !target.isPlain) return { kind: 'no_address' };
    if (ours.kind === 'other_methods') return this.#otherMethods(asked, ours.methods, target);
    if (misspelt !== 'none') return { kind: 'no_address' };
    return passed.kind === 'none' ? { kind: 'unknown' } : ofNas(asked, passed.address);
  }

  /** A word of ours in another case is no parameter: the router behind would take it for the word. */
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

/** What the NAS takes there only the NAS knows. */
function ofNas(asked: string, address: PassedAddress): Match {
  return PASSED_METHODS.has(asked) ? { kind: 'passed', address } : notTaken(asked, PASSED_METHODS);
}

function notTaken(asked: string, methods: ReadonlySet<string>): Match {
  return { kind: asked === 'OPTIONS' ? 'options' : 'method_not_allowed', allow: allow(methods) };
}

/** In any case, and escaped twice, as a proxy on the way might undo one. */
export function isNeverPassed({ segments }: Pick<Target, 'segments'>): boolean {
  const words = readAgain(segments);
  return NEVER_PASSED.some((names) => names.every((name, index) => words[index] === name));
}

/** What is read where the escapes are undone once more, slashes and dot segments among them. */
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
