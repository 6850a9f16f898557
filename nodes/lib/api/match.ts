import type { Endpoint } from './endpoint.ts';
import { LATER_ROUTES } from './later-routes.ts';
import { BALUHOST_ROUTES } from './baluhost-routes.ts';
import type { Segment, Target } from './normalise.ts';
import { decodeLenient } from './decode.ts';
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
  /** `OPTIONS` on an address that exists. */
  | { readonly kind: 'options'; readonly allow: string }
  /** 503 `not_yet`: a route of the NAS or of the contract that is not built. */
  | { readonly kind: 'not_yet' }
  /** 403, in whatever case it is written. */
  | { readonly kind: 'never_passed' }
  /** 404 at once: no address has such characters, or it is one of ours in another case. */
  | { readonly kind: 'no_address' }
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
  readonly #later = new RouteTable<true>();

  constructor(endpoints: readonly Endpoint[]) {
    for (const endpoint of endpoints) {
      const { method, path, rest } = endpoint;
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '');
      const pattern = rest === 'raw' ? path.replace(/\{\w+\}$/, '{path*}') : path;
      this.#ours.add(method, pattern, { endpoint, names });
    }
    for (const [methods, path] of [...BALUHOST_ROUTES, ...LATER_ROUTES]) {
      for (const method of methods.split(' ')) this.#later.add(method, path, true);
    }
  }

  /** @param method as sent; `HEAD` counts as `GET` */
  match(method: string, target: Target): Match {
    const asked = method === 'HEAD' ? 'GET' : method;
    const { segments } = target;
    const ours = this.#ours.find(asked, segments);
    if (ours.kind === 'found') return endpointMatch(ours, target);
    if (isNeverPassed(segments)) return { kind: 'never_passed' };
    if (this.#later.find(asked, segments).kind === 'found') return { kind: 'not_yet' };
    const misspelt = this.#ours.find(asked, segments, true);
    if (misspelt.kind === 'found' || !target.isPlain) return { kind: 'no_address' };
    if (ours.kind === 'none') {
      return { kind: misspelt.kind === 'none' ? 'unknown' : 'no_address' };
    }
    const methods = new Set(ours.methods);
    return { kind: method === 'OPTIONS' ? 'options' : 'method_not_allowed', allow: allow(methods) };
  }
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

/** In any case, and escaped twice, as a proxy on the way might undo one. */
function isNeverPassed(segments: readonly Segment[]): boolean {
  return NEVER_PASSED.some((names) =>
    names.every((name, index) => {
      const segment = segments[index];
      return segment !== undefined && decodeLenient(segment.text).toLowerCase() === name;
    }),
  );
}
