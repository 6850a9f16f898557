import { decodeLenient } from './decode.ts';
import type { Endpoint } from './endpoint.ts';
import { LATER_ROUTES } from './later-routes.ts';
import { BALUHOST_ROUTES } from './baluhost-routes.ts';
import { RouteTable } from './route-table.ts';

export type Match =
  | {
      readonly kind: 'endpoint';
      readonly endpoint: Endpoint;
      /** Decoded leniently; the raw rest of a download is not among them. */
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
  /** 403, now and when all else is proxied one day. */
  | { readonly kind: 'never_proxied' }
  /** 404. */
  | { readonly kind: 'unknown' };

/** The NAS does not check owners there, so nothing below it is ever passed on (contract 6). */
const NEVER_PROXIED = '/api/sync/upload';

interface Described {
  readonly endpoint: Endpoint;
  /** Of its parameters, in their order. */
  readonly names: readonly string[];
}

/** Finds what a request is for. Built once, from descriptions alone. */
export class Matcher {
  readonly #ours = new RouteTable<Described>();
  readonly #later = new RouteTable<true>();

  constructor(endpoints: readonly Endpoint[]) {
    for (const endpoint of endpoints) {
      const { method, path, rest } = endpoint;
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '');
      const pattern = rest === 'raw' ? path.replace(/\}$/, '*}') : path;
      this.#ours.add(method, pattern, { endpoint, names });
    }
    for (const [methods, path] of [...BALUHOST_ROUTES, ...LATER_ROUTES]) {
      for (const method of methods.split(' ')) this.#later.add(method, path, true);
    }
  }

  /**
   * @param method as sent; `HEAD` counts as `GET`
   * @param path as {@link normaliseTarget} gives it
   */
  match(method: string, path: string): Match {
    if (isNeverProxied(path)) return { kind: 'never_proxied' };
    const asked = method === 'HEAD' ? 'GET' : method;
    const ours = this.#ours.find(asked, path);
    if (ours.kind === 'found') {
      const { endpoint, names } = ours.value;
      const params = named(names, ours.captured);
      return { kind: 'endpoint', endpoint, params, rest: ours.rest };
    }
    const later = this.#later.find(asked, path);
    if (later.kind === 'found') return { kind: 'not_yet' };
    const methods = new Set([
      ...(ours.kind === 'other_methods' ? ours.methods : []),
      ...(later.kind === 'other_methods' ? later.methods : []),
    ]);
    if (methods.size === 0) return { kind: 'unknown' };
    return { kind: method === 'OPTIONS' ? 'options' : 'method_not_allowed', allow: allow(methods) };
  }
}

function allow(methods: ReadonlySet<string>): string {
  const head = methods.has('GET') ? ['HEAD'] : [];
  return [...methods, ...head, 'OPTIONS'].sort().join(', ');
}

function named(names: readonly string[], captured: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  captured.forEach((value, index) => {
    const name = names[index];
    if (name !== undefined) params[name] = decodeLenient(value);
  });
  return params;
}

/** Sees through escapes, dots and doubled slashes, as a proxy on the way might undo them. */
function isNeverProxied(path: string): boolean {
  if (path.startsWith('/api/files/download/')) return false;
  const plain: string[] = [];
  for (const segment of decodeLenient(decodeLenient(path)).toLowerCase().split(/[/\\]/)) {
    if (segment === '..') plain.pop();
    else if (segment !== '' && segment !== '.') plain.push(segment);
  }
  return `/${plain.join('/')}/`.startsWith(`${NEVER_PROXIED}/`);
}
