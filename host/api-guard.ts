import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KnownRequest, Middleware } from '../nodes/lib/accounts/accounts.ts';
import type { Caller } from '../nodes/lib/accounts/caller.ts';
import {
  encodeSegment,
  type Endpoint,
  ENDPOINTS,
  literalPathIn,
  type Match,
  type Matcher,
  PASSED,
  Target,
  validateParams,
  validateQuery,
} from '../nodes/lib/api/api.ts';
import { type Call, type GuardedRequest, roleFault } from '../nodes/lib/guard/guard.ts';
import {
  type Answer,
  plainAnswer,
  answerNow,
  type RefusalCode,
  refuse,
} from '../nodes/lib/http/http.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import { requestIdOf } from './common-headers.ts';
import { codingFault, takeBody, takeOwnBody } from './read-body.ts';
import { type Accel, type RemoteAddresses, shareOf } from './remote-address.ts';
import type { RequestLife, RequestWatch } from './request-watch.ts';

/** What an upload declares ahead of its body, checked against its description. */
export interface AskedUpload {
  readonly endpointId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
}

/** The services' part in letting a request in. */
export interface AuthHooks {
  /** Passport: attaches the user of the bearer token to the request, or answers 401. */
  readonly authenticate: Middleware;
  /** Admins, and users whom the NAS allows it. */
  mayWake(caller: Caller): boolean;
  /** Memory is short: requests that may be refused as `busy` are. */
  isShortOfMemory(): boolean;
  /** Whether the caller's request follows from a sync's delta, so that no person waits for it. */
  followsSync(caller: Caller): boolean;
  /** Judges an upload by its headers, address and query alone. Null lets its body come. */
  admitUpload(request: IncomingMessage, caller: Caller, asked: AskedUpload): Promise<Answer | null>;
}

/** What is known of a request before it is authenticated. */
interface Arrival {
  readonly life: RequestLife;
  readonly target: Target;
  readonly match: Match;
  readonly remote: ReturnType<RemoteAddresses['of']>;
}

/** A request that Node-RED's body parsers leave alone: already parsed, raw body not wanted. */
interface ParsedRequest extends GuardedRequest, KnownRequest {
  arrival?: Arrival;
  body?: unknown;
  _body?: boolean;
  skipRawBodyParser?: boolean;
}

interface GuardDeps {
  readonly matcher: Matcher;
  readonly hooks: AuthHooks;
  readonly watch: RequestWatch;
  readonly remotes: RemoteAddresses;
  readonly accel: Accel;
  readonly log: Log;
  /** False while flows start, stop or are redeployed. */
  readonly flowsRun: () => boolean;
  /** False while a version is on trial after an update: going back must lose nothing. */
  readonly takesChanges: () => boolean;
  /** Whether no flow answers an endpoint, by its id. */
  readonly isFlowMissing: (endpointId: string) => boolean;
}

interface Handed {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly holders: Call['holders'];
}

/** A deploy takes a second or two. */
const RESTARTING = refuse('restarting', { retryAfterSeconds: 5 });
/** Running requests free their memory within seconds of their end. */
const BUSY = refuse('busy', { retryAfterSeconds: 10 });
/** Anything but a 504 here makes the apps forget their tokens (contract 2). */
const KEEP_TOKENS = refuse('gateway_timeout', { retryAfterSeconds: 5 });
const ONLY_READ = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Middleware in front of Node-RED on every route of the API listeners. Checks caller, size and form
 * before a flow sees the request and before a byte of a refused body is read: the stock `http in`
 * would read a whole body into memory before anybody asks who sent it.
 */
export class ApiGuard {
  readonly #deps: GuardDeps;
  /** Requests handed to Node-RED that have no answer yet. */
  readonly #inFlows = new Set<Handed>();

  constructor(deps: GuardDeps) {
    this.#deps = deps;
  }

  /**
   * To be called after a deploy: messages on the wires of the old flows are gone, and their callers
   * would wait for the deadline. A call that a node still holds ends by itself.
   */
  endLost(): void {
    for (const { request, response, holders } of [...this.#inFlows]) {
      if (holders.count === 0 && !response.headersSent) {
        answerNow(request, response, RESTARTING);
      }
    }
  }

  /** Before authentication: matches the address, and refuses what cannot be served now. */
  readonly receive = (request: ParsedRequest, response: ServerResponse, next: () => void): void => {
    const life = this.#deps.watch.watch(request, response);
    const target = new Target(request.url ?? '/');
    if (!this.#deps.flowsRun()) {
      answerNow(request, response, RESTARTING);
      return;
    }
    const method = request.method ?? 'GET';
    const match = this.#deps.matcher.match(method, target);
    if (!ONLY_READ.has(method) && !this.#deps.takesChanges()) {
      const isRefresh = match.kind === 'endpoint' && match.endpoint.id === 'auth-refresh';
      answerNow(request, response, isRefresh ? KEEP_TOKENS : RESTARTING);
      return;
    }
    const known = answerFromTable(match);
    if (known !== null) {
      answerNow(request, response, known);
      return;
    }
    request.arrival = { life, target, match, remote: this.#deps.remotes.of(request) };
    next();
  };

  /** Passport, unless the route is open to all or other middleware has authenticated the caller. */
  readonly authenticate: Middleware = (request: ParsedRequest, response, next): void => {
    const { match, remote } = arrivalOf(request);
    const isKnown = request.caller !== undefined || isOpen(endpointOf(match), remote.loopback);
    if (isKnown) next();
    else this.#deps.hooks.authenticate(request, response, next);
  };

  /** Checks role, query, size and body; `next` goes to Node-RED. */
  readonly admit = (request: ParsedRequest, response: ServerResponse, next: () => void): void => {
    this.#admit(request, response, next).catch((problem: unknown) => {
      this.#deps.log.error(`A request failed in the guard: ${describe(problem)}`);
      answerNow(request, response, refuse('failed'));
    });
  };

  async #admit(request: ParsedRequest, response: ServerResponse, next: () => void): Promise<void> {
    const arrival = arrivalOf(request);
    const { caller = null } = request;
    const fault = this.#callerFault(caller, arrival);
    if (fault !== null) {
      answerNow(request, response, refuse(fault));
      return;
    }
    arrival.life.belongsTo(caller?.user.id ?? null);
    const call = await this.#judge(request, response, arrival, caller);
    if (call === null) return;
    // A deploy may have begun meanwhile; half-built routes would answer 404.
    if (!this.#deps.flowsRun()) {
      answerNow(request, response, RESTARTING);
      return;
    }
    this.#hand(request, response, call);
    request.url = plainUrl(arrival.target, arrival.match);
    request.call = call;
    request.body = call.body;
    request._body = true;
    request.skipRawBodyParser = true;
    next();
  }

  #hand(request: IncomingMessage, response: ServerResponse, { holders }: Call): void {
    const handed: Handed = { request, response, holders };
    this.#inFlows.add(handed);
    response.once('close', () => {
      this.#inFlows.delete(handed);
    });
  }

  /** @returns the call, or null once an answer was sent or the caller is gone */
  async #judge(
    request: ParsedRequest,
    response: ServerResponse,
    seen: Arrival,
    known: Caller | null,
  ): Promise<Call | null> {
    const say = (given: Answer): null => {
      answerNow(request, response, given);
      return null;
    };
    const found = seen.match.kind === 'endpoint' ? seen.match : null;
    const endpoint = found?.endpoint ?? null;
    const asked = found === null ? elsewhere(seen) : checkWords(found, seen.target);
    if (asked.kind === 'refused') return say(asked.answer);
    const no = await this.#refusal(request, found, known, asked.query);
    if (no !== null) return say(no);
    const taken = await takeBody(request, response, endpoint, asked);
    if (!('body' in taken)) return taken.kind === 'cut' ? null : say(taken.answer);
    const caller = withAgent(known, request, seen.remote.address);
    return {
      ...describeCall(request, seen.match),
      auto: this.#isAuto(request, caller),
      id: requestIdOf(response),
      caller,
      query: asked.query,
      literalPath: asked.literalPath,
      body: taken.body,
      address: shareOf(seen.remote.address),
      get signal() {
        return seen.life.signal;
      },
      offload: this.#deps.accel.allows(request),
      holders: { count: 0 },
    };
  }

  /** No person waits for it: the caller says so, or it follows a desktop's sync. */
  #isAuto(request: IncomingMessage, caller: Caller | null): boolean {
    return (caller !== null && this.#deps.hooks.followsSync(caller)) || isAuto(request);
  }

  /** Also refuses a missing caller, in case Passport was not mounted where it has to be. */
  #callerFault(caller: Caller | null, { match, remote }: Arrival): RefusalCode | null {
    const endpoint = endpointOf(match);
    if (caller === null) return isOpen(endpoint, remote.loopback) ? null : 'no_token';
    const wanted = { access: accessOf(endpoint), wakeScope: endpoint?.wakeScope ?? false };
    return roleFault(caller, wanted, (known) => this.#deps.hooks.mayWake(known));
  }

  /** What its description allows to be refused as `busy` is begun only while there is memory. */
  #isBusyFor(found: Found | null): boolean {
    const mayYield = found?.endpoint.refusals.includes('busy') === true;
    return mayYield && this.#deps.hooks.isShortOfMemory();
  }

  async #refusal(
    request: IncomingMessage,
    found: Found | null,
    caller: Caller | null,
    query: unknown,
  ): Promise<Answer | null> {
    if (found !== null && this.#deps.isFlowMissing(found.endpoint.id)) {
      return refuse('flow_missing');
    }
    const packed = codingFault(request, found?.endpoint ?? null);
    if (packed !== null) return packed;
    if (this.#isBusyFor(found)) return BUSY;
    if (found?.endpoint.body !== 'stream' || caller === null) return null;
    const { endpoint, params } = found;
    const asked = { endpointId: endpoint.id, params, query };
    return await this.#deps.hooks.admitUpload(request, caller, asked);
  }
}

/** @throws Error for a request that did not come through {@link ApiGuard.receive} */
function arrivalOf({ arrival }: ParsedRequest): Arrival {
  if (arrival === undefined) throw new Error('A request came past the front of the guard.');
  return arrival;
}

function endpointOf(match: Match): Endpoint | null {
  return match.kind === 'endpoint' ? match.endpoint : null;
}

/** Who may call an address; one without a description needs a signed-in caller. */
function accessOf(endpoint: Endpoint | null): Endpoint['access'] {
  return endpoint?.access ?? 'caller';
}

/** Whether a request needs no caller. */
function isOpen(endpoint: Endpoint | null, isLoopback: boolean): boolean {
  const access = accessOf(endpoint);
  return access === 'open' || (access === 'caller_or_loopback' && isLoopback);
}

/** The fields that only repeat the request: all but caller and content. */
function describeCall(
  request: IncomingMessage,
  match: Match,
): Pick<Call, 'passed' | 'endpointId' | 'params' | 'rest' | 'language'> {
  const found = match.kind === 'endpoint' ? match : null;
  return {
    passed: match.kind === 'passed' ? match.address : undefined,
    endpointId: found?.endpoint.id ?? null,
    params: found?.params ?? {},
    rest: found?.rest ?? null,
    language: /^de\b/i.test(request.headers['accept-language'] ?? '') ? 'de' : 'en',
  };
}

/** Answers from the published API table, which needs no sign-in. */
function answerFromTable(match: Match): Answer | null {
  if (match.kind === 'no_address') return refuse('not_found');
  if (match.kind === 'bad_path') return refuse('bad_path');
  if (match.kind === 'options') return plainAnswer(null, 204, { Allow: match.allow });
  if (match.kind !== 'method_not_allowed') return null;
  const given = refuse('method_not_allowed');
  return { ...given, headers: { ...given.headers, Allow: match.allow } };
}

/** The address rebuilt from what was matched and nothing else; the raw text travels in the call. */
function plainUrl(target: Target, match: Match): string {
  if (match.kind === 'passed') return match.address.url;
  const query = target.query === '' ? '' : `?${target.plainQuery}`;
  if (match.kind !== 'endpoint') return target.path + query;
  return routeOf(match.endpoint, match) + query;
}

function routeOf(endpoint: Endpoint, match: Found): string {
  if (endpoint.rest === 'raw') return endpoint.path.replace(/\{\w+\}$/, 'file');
  return endpoint.path.replace(/\{(\w+)\}/g, (_all, name: string) =>
    encodeSegment(match.params[name] ?? ''),
  );
}

function isAuto(request: IncomingMessage): boolean {
  const trigger = request.headers['x-sync-trigger'];
  return trigger === 'auto' || trigger === 'scheduled';
}

function describe(problem: unknown): string {
  return problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
}

function withAgent(
  caller: Caller | null,
  { headers }: IncomingMessage,
  address: string,
): Caller | null {
  return caller === null ? null : { ...caller, agent: `${headers['user-agent'] ?? ''} ${address}` };
}

/** A request that matches a description. */
type Found = Extract<Match, { kind: 'endpoint' }>;

/** The checked parameters of a request's address. */
type Words =
  | {
      readonly kind: 'words';
      readonly query: unknown;
      /** The other reading of the query's `path`; see `Call`. */
      readonly literalPath?: string | undefined;
    }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** An address without a description: the NAS's, or a tinkerer's own. */
function elsewhere({ match }: { match: Match }): Words {
  if (match.kind === 'never_passed') {
    return { kind: 'refused', answer: refuse('not_through_the_pi') };
  }
  return { kind: 'words', query: {} };
}

function checkWords(found: Found, target: Target): Words {
  const { endpoint, params } = found;
  const query = validateQuery(endpoint.query, target.query);
  if (query.kind === 'invalid') {
    return { kind: 'refused', answer: refuse('invalid', { errors: query.errors }) };
  }
  const literalPath = literalPathIn(target.query);
  const words: Words = { kind: 'words', query: query.value, literalPath };
  // The rest of a download's address is a path on the NAS, which the files module decodes itself.
  if (endpoint.rest === 'raw') return words;
  const checked = validateParams(endpoint.params, params);
  // An id of a wrong form is an unknown id.
  if (checked.kind === 'invalid') return { kind: 'refused', answer: refuse('not_found') };
  return words;
}

/** A request inside the route of an `http in` node, as Express hands it over. */
interface RoutedRequest extends GuardedRequest {
  readonly route: { readonly path: string };
  body?: unknown;
}

type Next = (step?: 'route') => void;

/** The address of the `http in` nodes in `flows/api-nas-routes.json` and of no others. */
const NAS_ROUTE = '/api/:nas*';

/** By method and address, parameters without their names. */
const OURS: ReadonlySet<string> = new Set(
  ENDPOINTS.map(({ method, path }) => routeKey(method, path)),
);

/**
 * Makes sure that the route the guard matched is the one that runs: BaluPi's own, else a tinkerer's,
 * else the NAS's. The NAS's `http in` nodes match any address, so they are skipped on the first pass
 * through Node-RED; what nobody answered goes through a second time, to them.
 */
export class Passing {
  readonly #log: Log;
  readonly #again = new WeakSet<IncomingMessage>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Node-RED's `httpNodeMiddleware`: in front of each `http in` node whose address fits. */
  readonly inRoute = (request: RoutedRequest, response: ServerResponse, next: Next): void => {
    const { call, route, method = 'GET' } = request;
    const endpointId = call?.endpointId ?? null;
    if (route.path === NAS_ROUTE) next(this.#again.has(request) ? undefined : 'route');
    else if (this.#again.has(request)) next('route');
    else if (OURS.has(routeKey(method === 'HEAD' ? 'GET' : method, route.path))) {
      next(endpointId === null ? 'route' : undefined);
    } else if (endpointId === null) this.#takeBody(request, response, next);
    else next('route');
  };

  /** Express middleware between the two passes through Node-RED. */
  readonly again = (request: GuardedRequest, _response: ServerResponse, next: Next): void => {
    const { call } = request;
    if (call?.passed !== undefined && call.endpointId === null) {
      this.#again.add(request);
      // Not spread: a getter of the call must keep working.
      request.call = Object.create(call, { endpointId: { value: PASSED.id } }) as Call;
    }
    next();
  };

  /** Only now is it certain that the body is not a file for the NAS. */
  #takeBody(request: RoutedRequest, response: ServerResponse, next: Next): void {
    takeOwnBody(request, response).then(
      (taken) => {
        if (taken.kind === 'refused') answerNow(request, response, taken.answer);
        if (taken.kind !== 'body') return;
        request.body = taken.body;
        if (request.call !== undefined) {
          request.call = Object.create(request.call, { body: { value: taken.body } }) as Call;
        }
        next();
      },
      (problem: unknown) => {
        this.#log.error(`A body could not be read: ${String(problem)}`);
        answerNow(request, response, refuse('failed'));
      },
    );
  }
}

function routeKey(method: string, path: string): string {
  return `${method} ${path.replace(/:\w+|\*|\{\w+\}/g, '{}')}`;
}
