import type { LimitScope } from './rate-limits.ts';
import type { Answer, Exchange } from './wire.ts';
import type { NasUser } from './users.ts';

type Handled = Promise<Answer> | Answer;

interface RouteBase {
  readonly method: string;
  /** `{name}` matches one segment, `{name:path}` any number of them. */
  readonly pattern: string;
  readonly limit: Limit | null;
  /** Refuses `X-Sync-Trigger: auto` while the NAS sleeps. */
  readonly syncGuarded: boolean;
}

/** Which bucket, and whose: `user` routes show their limit on every success. */
export interface Limit {
  readonly scope: LimitScope;
  readonly by: 'user' | 'address';
}

export type Route = RouteBase &
  (
    | { readonly who: 'anyone'; readonly handle: (exchange: Exchange) => Handled }
    | {
        readonly who: 'user' | 'admin';
        readonly handle: (exchange: Exchange, user: NasUser) => Handled;
      }
  );

interface RouteExtras {
  readonly limit?: LimitScope;
  readonly by?: 'user' | 'address';
  readonly syncGuarded?: boolean;
}

function baseOf(line: string, extras: RouteExtras, by: 'user' | 'address'): RouteBase {
  const [method = '', pattern = ''] = line.split(' ');
  const limit = extras.limit === undefined ? null : { scope: extras.limit, by: extras.by ?? by };
  return { method, pattern, limit, syncGuarded: extras.syncGuarded ?? false };
}

/** An open route. `line` is `METHOD /pattern`. Limited by address. */
export function open(
  line: string,
  extras: RouteExtras,
  handle: (exchange: Exchange) => Handled,
): Route {
  return { ...baseOf(line, extras, 'address'), who: 'anyone', handle };
}

/** A route for signed-in users. Limited by user. */
export function signedIn(
  line: string,
  extras: RouteExtras,
  handle: (exchange: Exchange, user: NasUser) => Handled,
): Route {
  return { ...baseOf(line, extras, 'user'), who: 'user', handle };
}

/** A route for admins. Limited by user. */
export function adminOnly(
  line: string,
  extras: RouteExtras,
  handle: (exchange: Exchange, user: NasUser) => Handled,
): Route {
  return { ...baseOf(line, extras, 'user'), who: 'admin', handle };
}

export type RouteMatch =
  | {
      readonly kind: 'found';
      readonly route: Route;
      readonly params: Readonly<Record<string, string>>;
    }
  /** The path is known, the method is not. Only the first such route's method is told. */
  | { readonly kind: 'wrong_method'; readonly allow: string }
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'unknown' };

interface Compiled {
  readonly route: Route;
  readonly regex: RegExp;
}

function compile(route: Route): Compiled {
  const source = route.pattern
    .split(/(\{[^}]+\})/)
    .map((part) => {
      const name = /^\{(\w+)(:path)?\}$/.exec(part);
      if (name === null) return part.replace(/[.+*?^$()[\]{}|\\]/g, '\\$&');
      return `(?<${name[1] ?? ''}>${name[2] === undefined ? '[^/]+' : '.*'})`;
    })
    .join('');
  return { route, regex: new RegExp(`^${source}$`, 's') };
}

/**
 * Routes in order of registration. The first with matching path and method wins; else the first
 * with a matching path answers 405; else one slash more or less is tried and answered with 307.
 */
export class Router {
  readonly #routes: readonly Compiled[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map(compile);
  }

  find(method: string, path: string): RouteMatch {
    let allow: string | null = null;
    for (const { route, regex } of this.#routes) {
      const match = regex.exec(path);
      if (match === null) continue;
      if (route.method === method) {
        return { kind: 'found', route, params: { ...match.groups } };
      }
      allow ??= route.method;
    }
    if (allow !== null) return { kind: 'wrong_method', allow };
    return this.#redirect(path);
  }

  #redirect(path: string): RouteMatch {
    if (path === '/') return { kind: 'unknown' };
    const other = path.endsWith('/') ? path.replace(/\/+$/, '') : `${path}/`;
    const fits = this.#routes.some(({ regex }) => regex.test(other));
    return fits ? { kind: 'redirect', path: other } : { kind: 'unknown' };
  }
}
