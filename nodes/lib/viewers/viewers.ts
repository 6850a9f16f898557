import { LruMap } from '../limits/limits.ts';
import { randomUUID } from 'node:crypto';
import type { Caller, User } from '../accounts/caller.ts';
import { type Endpoint, validateBody, validateParams } from '../api/api.ts';
import { type Call, roleFault } from '../guard/guard.ts';
import { type Answer, refuse } from '../http/http.ts';
import type { Language } from '../words/words.ts';

/** What a page sends to have something done: an API request without its address. */
export interface Asked {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

type AskOutcome =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'refused'; readonly answer: Answer };

/**
 * Turns a page's request into the call that the same API request would be, after the same checks of
 * role and form.
 */
export function callAs(
  asker: Asker,
  endpoint: Endpoint,
  asked: Asked,
  mayWake: (caller: Caller) => boolean,
): AskOutcome {
  const { caller, language } = asker;
  const code = roleFault(caller, endpoint, mayWake);
  if (code !== null) return { kind: 'refused', answer: refuse(code) };
  const params = textsIn(asked.params);
  if (validateParams(endpoint.params, params).kind === 'invalid') {
    return { kind: 'refused', answer: refuse('not_found') };
  }
  const query = validateBody(endpoint.query, asked.query);
  if (query.kind === 'invalid') return invalid(query.errors);
  const body = endpoint.body === 'json' ? validateBody(endpoint.bodySchema, asked.body) : NO_BODY;
  if (body.kind === 'invalid') return invalid(body.errors);
  const call: Call = {
    id: randomUUID(),
    endpointId: endpoint.id,
    caller,
    query: query.value,
    body: body.value,
    params,
    rest: null,
    address: 'dashboard',
    auto: false,
    language,
    signal: new AbortController().signal,
    holders: { count: 0 },
  };
  return { kind: 'call', call };
}

const NO_BODY = { kind: 'valid', value: undefined } as const;

function invalid(errors: readonly unknown[]): AskOutcome {
  return { kind: 'refused', answer: refuse('invalid', { errors }) };
}

function textsIn(params: unknown): Record<string, string> {
  if (typeof params !== 'object' || params === null) return {};
  return Object.fromEntries(
    Object.entries(params).filter((pair): pair is [string, string] => {
      const [name, value] = pair as [string, unknown];
      return typeof value === 'string' && /^[a-z][a-z_]{0,31}$/.test(name);
    }),
  );
}

/** Who is behind a message of a page. */
export interface Asker {
  readonly caller: Caller;
  readonly language: Language;
}

/** One open page. */
export interface Viewer {
  /** The Dashboard's id of its socket, which a page cannot choose. */
  readonly socketId: string;
  readonly language: Language;
  /** Names the sign-in of its browser. */
  readonly device: string;
  /** The user of its sign-in, with today's role; null once that is over. */
  readonly user: () => User | null;
}

/** An answer to a page, under the name that the page gave its question. */
interface Answered {
  readonly name: string;
  readonly value: unknown;
}

/** A person has a phone, a tablet and a few forgotten tabs; more is a fault or a flood. */
const MOST_PAGES_PER_USER = 20;
/** A page asks one or two things repeatedly. One that repeats everything must not fill memory. */
const MOST_ANSWERS_PER_PAGE = 4;

/**
 * Who is viewing the pages of the Pi. A message's sender is looked up here by its socket, never
 * read from the message: a page can send anything.
 */
export class Viewers {
  readonly #viewers = new Map<string, Viewer>();
  /** By socket and answering node. They go with the socket; a new one is sent everything. */
  readonly #answered = new Map<string, LruMap<string, Answered>>();

  /** Open pages. */
  get count(): number {
    return this.#viewers.size;
  }

  /** @returns false when that person has too many pages open */
  add(viewer: Viewer): boolean {
    const id = viewer.user()?.id;
    const theirs = [...this.#viewers.values()].filter(({ user }) => user()?.id === id);
    if (theirs.length >= MOST_PAGES_PER_USER) return false;
    this.#viewers.set(viewer.socketId, viewer);
    return true;
  }

  remove(socketId: string): void {
    this.#viewers.delete(socketId);
    this.#answered.delete(socketId);
  }

  /**
   * Keeps the answer to a repeated question of a page, replacing the previous one.
   * @param by the answering node, as one page asks many things
   * @returns the page's answer named `known`, or undefined where another was kept
   */
  exchange(socketId: string, by: string, known: string, answered: Answered): unknown {
    if (!this.#viewers.has(socketId)) return undefined;
    const theirs = this.#answered.get(socketId) ?? new LruMap(MOST_ANSWERS_PER_PAGE);
    this.#answered.set(socketId, theirs);
    const before = theirs.get(by);
    theirs.set(by, answered);
    return before?.name === known ? before.value : undefined;
  }

  /** @returns null for a page that is gone, or whose sign-in has ended */
  askerAt(socketId: unknown): Asker | null {
    const viewer = typeof socketId === 'string' ? this.#viewers.get(socketId) : undefined;
    const user = viewer?.user() ?? null;
    if (viewer === undefined || user === null) return null;
    // A page has no token of its own: calls to the NAS use that user's stored credential.
    const { device } = viewer;
    const caller: Caller = { user, kind: 'pi', nasToken: null, scope: 'all', device };
    return { caller, language: viewer.language };
  }
}

/**
 * One step from the page's value to the present one: JSON Patch (RFC 6902), without moves and
 * tests.
 */
export type Change =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** @returns the changes that lead from one JSON value to the other, in order */
export function changesOf(before: unknown, after: unknown): readonly Change[] {
  const changes: Change[] = [];
  compare('', before, after, changes);
  return changes;
}

function compare(path: string, before: unknown, after: unknown, changes: Change[]): void {
  if (Array.isArray(before) && Array.isArray(after)) {
    compareLists(path, before, after, changes);
  } else if (isRecord(before) && isRecord(after)) {
    compareRecords(path, before, after, changes);
  } else if (before !== after) {
    changes.push({ op: 'replace', path, value: after });
  }
}

/** A list grows and shrinks at its end, as time does; changes within it are sent entry by entry. */
function compareLists(
  path: string,
  before: readonly unknown[],
  after: readonly unknown[],
  changes: Change[],
): void {
  for (let at = before.length - 1; at >= after.length; at -= 1) {
    changes.push({ op: 'remove', path: `${path}/${at}` });
  }
  after.forEach((value, at) => {
    const here = `${path}/${at}`;
    if (at < before.length) compare(here, before[at], value, changes);
    else changes.push({ op: 'add', path: here, value });
  });
}

function compareRecords(
  path: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  changes: Change[],
): void {
  const place = (name: string): string =>
    `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  for (const name of Object.keys(before)) {
    if (!Object.hasOwn(after, name)) changes.push({ op: 'remove', path: place(name) });
  }
  for (const [name, value] of Object.entries(after)) {
    if (Object.hasOwn(before, name)) compare(place(name), before[name], value, changes);
    else changes.push({ op: 'add', path: place(name), value });
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
