import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { KnownRequest, User } from '../nodes/lib/accounts/accounts.ts';
import type { Caller } from '../nodes/lib/accounts/caller.ts';
import { ENDPOINTS, type Match, Matcher, Target } from '../nodes/lib/api/api.ts';
import { type Answer, answerNow, type FileRequest, refuse } from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';
import type { DashboardFiles } from './dashboard-files.ts';
import { onceMorePage, startingPage, WAITING_CONTENT_SECURITY_POLICY } from './dashboard-pages.ts';
import { cookieOf, isDashboard, isDocument, isSameOrigin, safeNext } from './dashboard-request.ts';
import { DASHBOARD_COOKIE, type DashboardSignIn, goTo, send } from './dashboard-sign-in.ts';
import type { DashboardSocket, DashboardSockets } from './dashboard-sockets.ts';
import { type FilesPage, sendThumbnail, type ThumbnailHook } from './files-page.ts';
import { type RequestWatch, userShare } from './request-watch.ts';
import type { SetupAuth } from './setup/setup-auth.ts';

interface AuthDeps {
  readonly signIn: DashboardSignIn;
  readonly files: DashboardFiles;
  readonly filesPage: FilesPage;
  readonly thumbnail: ThumbnailHook;
  readonly sockets: DashboardSockets;
  /** The guided setup and the settings. */
  readonly setup: SetupAuth;
  readonly watch: RequestWatch;
  /** The user of a cookie; asks the NAS when that is due. */
  readonly look: (cookie: string) => Promise<User | null>;
  /** The same from memory. */
  readonly find: (cookie: string) => User | null;
  readonly mayWake: (caller: Caller) => boolean;
  readonly flowsRun: () => boolean;
  /** False while a version is on trial after an update. */
  readonly takesChanges: () => boolean;
  /** The server that socket.io listens on. */
  readonly inner: () => Server;
  readonly log: Log;
}

interface Visit {
  readonly request: KnownRequest;
  readonly response: ServerResponse;
  readonly language: Language;
  /** What follows `/dashboard/`. */
  readonly name: string;
  readonly query: string;
  readonly next: () => void;
  /** Aborts when the caller goes away or the deadline passes. */
  readonly signal: () => AbortSignal;
  /** Tells the request watch who sent it. */
  readonly belongsTo: (user: User | null) => void;
}

/** A page's message holds a price or a name; files go over the API. */
const MOST_MESSAGE_BYTES = 100_000;
const SOCKET_PATH = '/dashboard/socket.io/';
/** The only Dashboard routes that are reachable; its debug views show what others saw. */
const PASSED_ON = new Set(['_setup']);
const ENERGY_CSV = 'energy.csv';
const LET_ON = new Set([...PASSED_ON, ENERGY_CSV]);
const SIGN_IN_FIRST = refuse('no_token', { detail: 'Sign in at /dashboard/sign-in first.' });

/**
 * Auth middleware for everything below `/dashboard`, HTTP and socket: nothing is shown without its own
 * sign-in, which opens the Dashboard and never `/api`.
 */
export class DashboardAuth {
  readonly #deps: AuthDeps;
  /** Requests that passed here. The Dashboard itself checks again; see {@link settings}. */
  readonly #passed = new WeakSet<IncomingMessage>();

  constructor(deps: AuthDeps) {
    this.#deps = deps;
  }

  /** Node-RED's setting `dashboard`: checks the same again, should this middleware be bypassed. */
  get settings(): Readonly<Record<string, unknown>> {
    return {
      maxHttpBufferSize: MOST_MESSAGE_BYTES,
      middleware: (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
        if (this.#passed.has(request)) next();
        else answerNow(request, response, SIGN_IN_FIRST);
      },
      ioMiddleware: (socket: DashboardSocket, next: (error?: Error) => void): void => {
        this.#deps.sockets.middleware(socket, next);
      },
    };
  }

  /** Express middleware; other addresses go on. */
  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    const target = new Target(request.url ?? '/');
    const { path, query } = target;
    if (!isDashboard(path)) {
      next();
      return;
    }
    const place = filesPlace(request.method ?? 'GET', target);
    // A file's path may hold characters that other addresses must not.
    if (place?.kind !== 'api' && !target.isPlain) {
      answerNow(request, response, refuse('not_found'));
      return;
    }
    const language = WORDS.languageOf(
      cookieOf(request, 'balupi_language'),
      request.headers['accept-language'],
    );
    const name = place === null ? path.slice('/dashboard/'.length) : 'files';
    // Requests that go on to the guard are watched there.
    const isLetOn = LET_ON.has(name) || place?.kind === 'api';
    const life = isLetOn ? null : this.#deps.watch.watch(request, response);
    const belongsTo = (user: User | null): void => life?.belongsTo(user?.id ?? null);
    const signal = (): AbortSignal => life?.signal ?? AbortSignal.abort();
    const visit = { request, response, language, name, query, next, belongsTo, signal };
    const visiting = place === null ? this.#visit(visit) : this.#filesVisit(visit, place);
    visiting.catch((problem: unknown) => {
      this.#deps.log.error(`A request to the Dashboard failed: ${String(problem)}`);
      answerNow(request, response, refuse('failed'));
    });
  };

  /**
   * Whose share an upgrade to the Dashboard's socket counts in; null if it is not upgraded here.
   */
  readonly takesUpgrade = (request: IncomingMessage): string | null => {
    const { headers, url = '' } = request;
    if (headers.upgrade?.toLowerCase() !== 'websocket' || !url.startsWith(SOCKET_PATH)) return null;
    if (headers.origin === undefined || !isSameOrigin(request)) return null;
    const user = this.#deps.flowsRun() ? this.#found(request) : null;
    if (user === null || (isHandshake(request) && !this.#deps.sockets.mayOpen(user))) return null;
    return userShare(user.id);
  };

  /** For upgrades that {@link takesUpgrade} accepted. */
  readonly upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    this.#deps.inner().emit('upgrade', request, socket, head);
  };

  #found(request: IncomingMessage): User | null {
    const cookie = cookieOf(request, DASHBOARD_COOKIE);
    return cookie === undefined ? null : this.#deps.find(cookie);
  }

  async #visit(visit: Visit): Promise<void> {
    const { request, name } = visit;
    if (request.method === 'POST') {
      await this.#post(visit);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const given = refuse('method_not_allowed');
      say(visit, { ...given, headers: { ...given.headers, Allow: 'GET, HEAD, POST' } });
      return;
    }
    if (name === 'sign-in') {
      this.#signIn(visit);
      return;
    }
    if (this.#deps.files.sendOpen(visit, name)) return;
    if (await this.#deps.setup.handle(visit, name)) return;
    const cookie = cookieOf(request, DASHBOARD_COOKIE);
    const user = cookie === undefined ? null : await this.#deps.look(cookie);
    visit.belongsTo(user);
    if (user === null) this.#turnAway(visit);
    else this.#show(visit, user);
  }

  /** The page Files and the API calls it makes. */
  async #filesVisit(visit: Visit, place: FilesPlace): Promise<void> {
    const { request } = visit;
    const isShell = place.kind === 'page' || place.kind === 'asset';
    if (!isShell && !isAskedByPage(request)) {
      say(visit, refuse('not_allowed'));
      return;
    }
    const cookie = cookieOf(request, DASHBOARD_COOKIE);
    const user = cookie === undefined ? null : await this.#deps.look(cookie);
    visit.belongsTo(user);
    if (user === null) this.#turnAway(visit);
    else if (place.kind === 'api') this.#filesApi(visit, user, place.url);
    else if (place.kind === 'thumbnail') {
      await sendThumbnail(visit, callerOf(user), this.#deps.thumbnail);
    } else if (!this.#sendFiles(visit, user, place)) say(visit, refuse('not_found'));
  }

  #filesApi(visit: Visit, user: User, url: string): void {
    const request: FileRequest = visit.request;
    request.url = url;
    request.isForPage = true;
    // nginx would send the bytes without the headers that keep them from running.
    delete request.headers['x-balupi-accel'];
    this.#letOn(visit, user);
  }

  #sendFiles(visit: Visit, user: User, place: FilesPlace): boolean {
    const { filesPage, mayWake } = this.#deps;
    const { method } = visit.request;
    if (method !== 'GET' && method !== 'HEAD') return false;
    if (place.kind === 'asset') return filesPage.sendAsset(visit, place.name);
    if (place.kind !== 'page') return false;
    return filesPage.sendIndex(visit, {
      language: visit.language,
      username: user.username,
      isAdmin: user.role === 'admin',
      mayWake: mayWake(callerOf(user)),
    });
  }

  /** A BaluPi that is not set up leads to the guided setup, unless the reader declines it. */
  #signIn(visit: Visit): void {
    const { setup, signIn } = this.#deps;
    const query = new URLSearchParams(visit.query);
    if (setup.isNotSetUp && !query.has('account')) goTo(visit.response, '/dashboard/setup');
    else signIn.show(visit, { next: query.get('next'), isSetupOpen: setup.isOpen });
  }

  async #post(visit: Visit): Promise<void> {
    const { signIn } = this.#deps;
    if (!isSocket(visit) && !this.#deps.takesChanges()) {
      // A person's form: the waiting page retries until the sign-in is open.
      send(visit, 503, startingPage(visit.language), WAITING_CONTENT_SECURITY_POLICY);
      return;
    }
    const user = this.#found(visit.request);
    // The sign-in pages are open to all, so the cookie plays no part there.
    visit.belongsTo(isSocket(visit) ? user : null);
    if (await this.#deps.setup.handle(visit, visit.name)) return;
    if (visit.name === 'sign-in') await signIn.post(visit);
    else if (visit.name === 'wake') await signIn.wake(visit);
    else if (visit.name === 'sign-out') {
      signIn.signOut(visit);
      this.#deps.sockets.sweep();
    } else if (isSocket(visit)) this.#socket(visit);
    else say(visit, refuse(user === null ? 'no_token' : 'not_found'));
  }

  /** Sends a person to the sign-in; a page's own request gets 401. */
  #turnAway(visit: Visit): void {
    const { request, response, language, name } = visit;
    if (!isDocument(request)) {
      say(visit, SIGN_IN_FIRST);
      return;
    }
    const page = `/dashboard/${name}`;
    const withChoice = safeNext(`${page}?${visit.query}`);
    const here = withChoice === '/dashboard/' ? safeNext(page) : withChoice;
    if (request.headers['sec-fetch-site'] === 'cross-site') {
      send(visit, 200, onceMorePage(language, here));
      return;
    }
    const query = here === '/dashboard/' ? '' : `?next=${encodeURIComponent(here)}`;
    response.writeHead(303, { Location: `/dashboard/sign-in${query}`, 'Content-Length': 0 });
    response.end();
  }

  #show(visit: Visit, user: User): void {
    const { request, language, name } = visit;
    if (this.#deps.files.send(visit, name)) return;
    if (!this.#deps.flowsRun()) {
      if (isDocument(request))
        send(visit, 503, startingPage(language), WAITING_CONTENT_SECURITY_POLICY);
      else say(visit, refuse('restarting', { retryAfterSeconds: 5 }));
    } else if (isSocket(visit)) this.#socket(visit);
    else if (name === ENERGY_CSV) this.#energyCsv(visit, user);
    else if (PASSED_ON.has(name)) {
      this.#passed.add(request);
      this.#letOn(visit, user);
    } else if (isDocument(request)) this.#page(visit);
    else say(visit, refuse('not_found'));
  }

  /** One page for every name; what it shows it reads from its own address. */
  #page(visit: Visit): void {
    const { request, response } = visit;
    // `_setup` and the rest are named relative to the page, so it needs its slash.
    const [path = '', query] = (request.url ?? '').split('?');
    if (path.toLowerCase() === '/dashboard') {
      const mark = query === undefined ? '' : `?${query}`;
      response.writeHead(302, { Location: `/dashboard/${mark}`, 'Content-Length': 0 });
      response.end();
    } else this.#deps.files.sendIndex(visit);
  }

  #socket(visit: Visit): void {
    const { request, response } = visit;
    const user = this.#found(request);
    const isTooMuch = user !== null && isHandshake(request) && !this.#deps.sockets.mayOpen(user);
    if (!isSameOrigin(request)) say(visit, refuse('not_allowed'));
    else if (user === null) say(visit, SIGN_IN_FIRST);
    else if (!this.#deps.flowsRun()) say(visit, refuse('restarting', { retryAfterSeconds: 5 }));
    else if (isTooMuch) say(visit, refuse('too_many_tries'));
    else this.#deps.inner().emit('request', request, response);
  }

  /** `GET /api/energy/report` with `Accept: text/csv`, which a link cannot send. */
  #energyCsv(visit: Visit, user: User): void {
    visit.request.url = `/api/energy/report?${visit.query}`;
    visit.request.headers.accept = 'text/csv';
    this.#letOn(visit, user);
  }

  /** Passes the request to the API as that user, without a token. */
  #letOn({ request, next }: Visit, user: User): void {
    request.caller = callerOf(user);
    next();
  }
}

/** A page has no token: requests to the NAS use that user's stored credential. */
function callerOf(user: User): Caller {
  return { user, kind: 'pi', nasToken: null, scope: 'all' };
}

function isSocket({ request }: Visit): boolean {
  return (request.url ?? '').startsWith(SOCKET_PATH);
}

/** Whether it opens a new socket.io session rather than continuing one. */
function isHandshake({ method, url = '' }: IncomingMessage): boolean {
  return method === 'GET' && !/[?&]sid=/.test(url);
}

function say({ request, response }: Visit, given: Answer): void {
  answerNow(request, response, given);
}

/** What an address below `/dashboard/files` leads to. */
type FilesPlace =
  | { readonly kind: 'page' }
  | { readonly kind: 'asset'; readonly name: string }
  /** An operation of the API; `url` is its own address there. */
  | { readonly kind: 'api'; readonly url: string }
  | { readonly kind: 'thumbnail' }
  /** Not found, for everybody. */
  | { readonly kind: 'nowhere' };

const NOWHERE: FilesPlace = { kind: 'nowhere' };

/** The NAS's operations that the page may use: new folder, rename, move, delete by path. */
const PASSED: ReadonlySet<string> = new Set([
  'POST files/folder',
  'PUT files/rename',
  'PUT files/move',
]);

const matcher = new Matcher(ENDPOINTS);

/**
 * Reads an address of the page Files. `/dashboard/files/api/…` is matched as the API itself is, in
 * every spelling, and only what a description allows the page or {@link PASSED} names gets through.
 * @returns null for any address outside of `/dashboard/files`
 */
function filesPlace(method: string, target: Target): FilesPlace | null {
  const [, files, kind, name] = target.segments;
  if (files?.text.toLowerCase() !== 'files') return null;
  const words = target.segments.map(({ text }) => text);
  if (words[0] !== 'dashboard' || files.text !== 'files') return NOWHERE;
  if (kind === undefined) return { kind: 'page' };
  if (kind.text === 'api') return operation(method, target);
  if (kind.text === 'thumbnail' && name === undefined) return { kind: 'thumbnail' };
  const isAsset = kind.text === 'assets' && name !== undefined && target.isPlain;
  return isAsset ? { kind: 'asset', name: words.slice(3).join('/') } : NOWHERE;
}

function operation(method: string, target: Target): FilesPlace {
  const query = target.query === '' ? '' : `?${target.query}`;
  const url = `/api/${target.rawFrom(3)}${query}`;
  return isLetDo(method, matcher.match(method, new Target(url))) ? { kind: 'api', url } : NOWHERE;
}

function isLetDo(method: string, match: Match): boolean {
  if (match.kind === 'endpoint') return match.endpoint.isForFilesPage;
  // Not a file: the API gives the better error.
  if (match.kind === 'bad_path') return true;
  if (match.kind !== 'passed') return false;
  const { segments, filePath } = match.address;
  if (method === 'DELETE') return filePath !== null && segments[0] === 'files';
  return PASSED.has(`${method} ${segments.join('/')}`);
}

/**
 * Whether the page itself sent it, and not another site, port or BaluPi in this browser. A request
 * that changes something always has an origin; a file may also be opened by a person.
 */
function isAskedByPage(request: IncomingMessage): boolean {
  if (!isSameOrigin(request)) return false;
  const { method, headers } = request;
  if (method === 'GET' || method === 'HEAD') return true;
  return headers.origin !== undefined && headers['sec-fetch-site'] !== 'none';
}
