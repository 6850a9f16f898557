import type { IncomingMessage } from 'node:http';
import type { Caller } from '../nodes/lib/accounts/caller.ts';
import type { Endpoint } from '../nodes/lib/api/api.ts';
import { roleFault } from '../nodes/lib/guard/guarded.ts';
import { type Answer, type RefusalCode, refuse } from '../nodes/lib/http/http.ts';

/** What came of looking at a bearer token. */
export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** What an upload says before its body, checked against its description. */
export interface AskedUpload {
  readonly endpointId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
}

/** The services' part in letting a request in. */
export interface AuthHooks {
  authenticate(bearer: string): Promise<Authentication>;
  /** Admins, and users whom the NAS allows it. */
  mayWake(caller: Caller): boolean;
  /** Memory is short: what may be refused as `busy` is. */
  isShortOfMemory(): boolean;
  /** Whether what that caller asks follows by itself from the delta of a sync, so that nobody waits. */
  followsSync(caller: Caller): boolean;
  /** Judges an upload by its headers, address and query alone. Null lets its body come. */
  admitUpload(request: IncomingMessage, caller: Caller, asked: AskedUpload): Promise<Answer | null>;
}

export type Entry =
  | { readonly kind: 'in'; readonly caller: Caller | null }
  | { readonly kind: 'refused'; readonly answer: Answer };

const BEARER = /^Bearer +(\S+) *$/i;

/**
 * Decides who comes in, before a byte of the body is read.
 * @param endpoint null for an address nobody described, which needs a signed-in caller
 */
export async function enter(
  hooks: AuthHooks,
  endpoint: Endpoint | null,
  authorization: string | undefined,
  loopback: boolean,
): Promise<Entry> {
  const access = endpoint?.access ?? 'caller';
  if (isOpen(access, loopback)) return { kind: 'in', caller: null };
  if (authorization === undefined) return refused('no_token');
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer === undefined) return refused('bad_token');
  const found = await hooks.authenticate(bearer);
  if (found.kind === 'refused') return found;
  return enterAs(hooks, endpoint, found.caller);
}

/** The same for a caller whom another door knows: the role decides all the same. */
export function enterAs(hooks: AuthHooks, endpoint: Endpoint | null, caller: Caller): Entry {
  const access = endpoint?.access ?? 'caller';
  const wanted = { access, wakeScope: endpoint?.wakeScope ?? false };
  const code = roleFault(caller, wanted, (known) => hooks.mayWake(known));
  return code === null ? { kind: 'in', caller } : refused(code);
}

function isOpen(access: Endpoint['access'], loopback: boolean): boolean {
  return access === 'open' || (access === 'caller_or_loopback' && loopback);
}

function refused(code: RefusalCode): Entry {
  const given = refuse(code);
  if (given.statusCode !== 401) return { kind: 'refused', answer: given };
  const headers = { ...given.headers, 'WWW-Authenticate': 'Bearer' };
  return { kind: 'refused', answer: { ...given, headers } };
}
