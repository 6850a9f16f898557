import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  OpenedPage,
  PageOutcome,
  SignInRefusal,
  User,
} from '../nodes/lib/accounts/accounts.ts';
import { type RefusalCode, refuse } from '../nodes/lib/http/http.ts';
import { LruMap } from '../nodes/lib/limits/limits.ts';
import type { Clock } from '../nodes/lib/time/clock.ts';
import { filled, type Language, WORDS } from '../nodes/lib/words/words.ts';
import {
  codePage,
  PAGE_CONTENT_SECURITY_POLICY,
  sentencePage,
  signInPage,
  wakePage,
} from './dashboard-pages.ts';
import { cookieOf, isSameOrigin, safeNext } from './dashboard-request.ts';
import { readBody } from './read-body.ts';

/** The session cookie; sent to the Dashboard's addresses only. */
export const DASHBOARD_COOKIE = 'balupi_dashboard';

/** What the sign-in needs of the accounts. */
export interface PageAccounts {
  signIn(given: { username: string; password: string; address: string }): Promise<PageOutcome>;
  secondFactor(given: {
    pendingToken: string;
    code: string;
    address: string;
  }): Promise<PageOutcome>;
  open(user: User): OpenedPage | null;
  close(cookie: string): void;
  /** @returns null once the wake has begun, else why not */
  wake(): RefusalCode | null;
}

/** A name, a password and a place. */
const FORM_BYTES = 16 * 1_024;
/** How long a second factor or a wake may take. */
const STEP_MS = 300_000;
/** More people do not sign in at a time. */
const MOST_STEPS = 200;

/** Where a request came from. */
interface Origins {
  addressOf(request: IncomingMessage): string;
  /** Whether the browser came by https. */
  isSecure(request: IncomingMessage): boolean;
}

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly language: Language;
}

/** The Dashboard's sign-in: pages without a script, and their form posts. */
export class DashboardSignIn {
  readonly #accounts: PageAccounts;
  readonly #origins: Origins;
  readonly #steps: OneTime<string>;
  readonly #wakes: OneTime<true>;

  constructor(accounts: PageAccounts, clock: Clock, origins: Origins) {
    this.#accounts = accounts;
    this.#origins = origins;
    const deps = { clock, randomBytes };
    this.#steps = new OneTime<string>(deps);
    this.#wakes = new OneTime<true>(deps);
  }

  show(visit: Visit, shown: { readonly next: string | null; readonly isSetupOpen: boolean }): void {
    const { language } = visit;
    const next = safeNext(shown.next);
    send(visit, 200, signInPage({ ...shown, language, fault: null, next }));
  }

  async post(visit: Visit): Promise<void> {
    const form = await this.#form(visit);
    if (form === null) return;
    const next = safeNext(form.get('next'));
    const step = form.get('step');
    if (step !== null)
      await this.#secondFactor(visit, { next, step, code: form.get('code') ?? '' });
    else await this.#password(visit, next, form);
  }

  signOut(visit: Visit): void {
    if (!isSameOrigin(visit.request)) {
      this.#refused(visit, { kind: 'refused', code: 'not_allowed' }, '/dashboard/');
      return;
    }
    const cookie = cookieOf(visit.request, DASHBOARD_COOKIE);
    if (cookie !== undefined) this.#accounts.close(cookie);
    this.#setCookie(visit, '', 0);
    goTo(visit.response, '/dashboard/sign-in');
  }

  async wake(visit: Visit): Promise<void> {
    const form = await this.#form(visit);
    if (form === null) return;
    const { language } = visit;
    if (this.#wakes.take(form.get('ticket') ?? '') === null) {
      send(visit, 401, sentencePage(language, WORDS.of(language).signIn.stepOver));
      return;
    }
    const no = this.#accounts.wake();
    const sentence =
      no === null ? WORDS.of(language).signIn.wakeSent : refusalWords(language, no, undefined);
    send(visit, no === null ? 200 : refuse(no).statusCode, sentencePage(language, sentence));
  }

  async #form(visit: Visit): Promise<URLSearchParams | null> {
    const { request } = visit;
    if (!isSameOrigin(request)) {
      this.#refused(visit, { kind: 'refused', code: 'not_allowed' }, '/dashboard/');
      return null;
    }
    const read = await readBody(request, FORM_BYTES);
    if (read.kind === 'body') return new URLSearchParams(read.bytes.toString('utf8'));
    if (read.kind === 'too_large') {
      visit.response.setHeader('Connection', 'close');
      this.#refused(visit, { kind: 'refused', code: 'too_large' }, '/dashboard/');
    }
    return null;
  }

  async #password(visit: Visit, next: string, form: URLSearchParams): Promise<void> {
    const username = form.get('username') ?? '';
    const password = form.get('password') ?? '';
    const address = this.#origins.addressOf(visit.request);
    const outcome: PageOutcome =
      username === '' || password === ''
        ? { kind: 'refused', code: 'bad_credentials' }
        : await this.#accounts.signIn({ username, password, address });
    this.#answer(visit, outcome, { next, username });
  }

  async #secondFactor(
    visit: Visit,
    { next, step, code }: { next: string; step: string; code: string },
  ): Promise<void> {
    const { language } = visit;
    const pendingToken = this.#steps.see(step);
    if (pendingToken === null) {
      const fault = WORDS.of(language).signIn.stepOver;
      send(visit, 401, signInPage({ language, fault, next }));
      return;
    }
    const address = this.#origins.addressOf(visit.request);
    const outcome = await this.#accounts.secondFactor({ pendingToken, code: code.trim(), address });
    if (outcome.kind !== 'refused') {
      this.#steps.take(step);
      this.#answer(visit, outcome, { next, username: '' });
      return;
    }
    const fault = refusalWords(language, outcome.code, outcome.retryAfterSeconds);
    send(visit, refuse(outcome.code).statusCode, codePage({ language, fault, next, step }));
  }

  #answer(
    visit: Visit,
    outcome: PageOutcome,
    { next, username }: { next: string; username: string },
  ): void {
    const { language } = visit;
    switch (outcome.kind) {
      case 'refused':
        this.#refused(visit, outcome, next, username);
        return;
      case 'second_factor': {
        const step = this.#steps.keep(outcome.pendingToken);
        send(visit, 200, codePage({ language, fault: null, next, step }));
        return;
      }
      case 'wake_only':
        send(visit, 200, wakePage(language, this.#wakes.keep(true)));
        return;
      case 'person':
        this.#letIn(visit, outcome.user, next);
    }
  }

  #letIn(visit: Visit, user: User, next: string): void {
    const opened = this.#accounts.open(user);
    if (opened === null) {
      this.#refused(visit, { kind: 'refused', code: 'nas_asleep' }, next);
      return;
    }
    this.#setCookie(visit, opened.cookie, opened.maxAgeSeconds);
    goTo(visit.response, next);
  }

  /** SameSite=Strict, so that no other site can make a browser send it; Secure over https. */
  #setCookie({ request, response }: Visit, value: string, maxAgeSeconds: number): void {
    const secure = this.#origins.isSecure(request) ? '; Secure' : '';
    const rules = `Path=/dashboard; HttpOnly; SameSite=Strict${secure}; Max-Age=${maxAgeSeconds}`;
    response.setHeader('Set-Cookie', `${DASHBOARD_COOKIE}=${value}; ${rules}`);
  }

  #refused(visit: Visit, refusal: SignInRefusal, next: string, username = ''): void {
    const { code, retryAfterSeconds } = refusal;
    const { language } = visit;
    const fault = refusalWords(language, code, retryAfterSeconds);
    const { statusCode, headers } = refuse(
      code,
      retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
    );
    for (const [name, value] of Object.entries(headers)) visit.response.setHeader(name, value);
    send(visit, statusCode, signInPage({ language, fault, next, username }));
  }
}

/** Redirects a browser, also after a form post. */
export function goTo(response: ServerResponse, place: string): void {
  response.writeHead(303, { Location: place, 'Content-Length': 0 });
  response.end();
}

/** Sends a page of ours. */
export function send(
  { request, response }: Pick<Visit, 'request' | 'response'>,
  statusCode: number,
  html: string,
  policy: string = PAGE_CONTENT_SECURITY_POLICY,
): void {
  response.writeHead(statusCode, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(html),
    'Content-Security-Policy': policy,
    // With no-referrer the browser would send its own form with `Origin: null`.
    'Referrer-Policy': 'same-origin',
  });
  response.end(request.method === 'HEAD' ? undefined : html);
}

const NAME_BYTES = 32;

interface OneTimeDeps {
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
}

/** Keeps things for a few minutes under an unguessable name, in memory and bounded. */
class OneTime<T> {
  readonly #deps: OneTimeDeps;
  readonly #kept = new LruMap<string, { readonly thing: T; readonly endsAtMs: number }>(MOST_STEPS);

  constructor(deps: OneTimeDeps) {
    this.#deps = deps;
  }

  /** @returns its name */
  keep(thing: T): string {
    const { clock, randomBytes } = this.#deps;
    const name = randomBytes(NAME_BYTES).toString('base64url');
    this.#kept.set(name, { thing, endsAtMs: clock.monotonicMs() + STEP_MS });
    return name;
  }

  /** What is kept under a name; null if nothing is, or not any more. */
  see(name: string): T | null {
    const kept = this.#kept.peek(name);
    if (kept === undefined) return null;
    if (this.#deps.clock.monotonicMs() < kept.endsAtMs) return kept.thing;
    this.#kept.delete(name);
    return null;
  }

  /** As {@link see}, and gone afterwards. */
  take(name: string): T | null {
    const thing = this.see(name);
    this.#kept.delete(name);
    return thing;
  }
}

/** A refusal as a person in front of the sign-in page reads it. */
export function refusalWords(
  language: Language,
  code: RefusalCode,
  retryAfterSeconds: number | undefined,
): string {
  const { refused, signIn } = WORDS.of(language);
  const sentence = Object.hasOwn(refused, code)
    ? refused[code as keyof typeof refused]
    : refused.otherwise;
  if (retryAfterSeconds === undefined) return sentence;
  return `${sentence} ${filled(signIn.retryIn, { seconds: retryAfterSeconds })}`;
}
