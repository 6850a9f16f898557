import type { IncomingMessage, ServerResponse } from 'node:http';
import type { User } from '../../nodes/lib/accounts/accounts.ts';
import { answerNow, refuse } from '../../nodes/lib/http/http.ts';
import type { Setup } from '../../nodes/lib/setup/setup.ts';
import { filled, type Language, WORDS } from '../../nodes/lib/words/words.ts';
import { sentencePage, WAITING_CONTENT_SECURITY_POLICY } from '../dashboard-pages.ts';
import { cookieOf, isSameOrigin } from '../dashboard-request.ts';
import { DASHBOARD_COOKIE, goTo, refusalWords, send } from '../dashboard-sign-in.ts';
import { readBody } from '../read-body.ts';
import {
  adminPage,
  type Base,
  codePage,
  donePage,
  restartPage,
  type Section,
  SECTIONS,
} from './setup-pages.ts';
import type { Sections, Visited } from './setup-sections.ts';

/** Identifies the browser that entered the code. */
const SETUP_COOKIE = 'balupi_setup';
/** The steps that the code opens while no admin is known. */
const BEFORE_ADMIN: ReadonlySet<string> = new Set(['house', 'nas']);
/** The names that lead to the settings, once an admin is known. */
const PAST_ADMIN: ReadonlySet<string> = new Set(['', 'admin', 'keys']);
const NAMES: ReadonlySet<string> = new Set(['', 'admin', 'done', ...SECTIONS]);
const PLACE = /^(setup|settings)(?:\/([a-z]*))?\/?$/;
const LANGUAGE_SECONDS = 31_536_000;

interface Deps {
  readonly setup: Setup;
  readonly sections: Sections;
  /** The user of a cookie; asks the NAS when that is due. */
  readonly look: (cookie: string) => Promise<User | null>;
  readonly isSecure: (request: IncomingMessage) => boolean;
  readonly addressOf: (request: IncomingMessage) => string;
  /** Exits so that the service manager restarts; called once the waiting page is sent. */
  readonly restart: () => void;
}

interface SetupVisit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly language: Language;
  readonly belongsTo: (user: User | null) => void;
}

/** One visit, and the section its address names. */
interface Place extends SetupVisit {
  readonly base: Base;
  readonly name: string;
}

/**
 * Auth and routes of the guided setup and the settings: pages without a script that work while no flow
 * runs. The code opens the first steps while no admin of the NAS is known; after that all of it is for
 * admins, by the Dashboard's cookie.
 */
export class SetupAuth {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Whether the sign-in should lead to the guided setup instead. */
  get isNotSetUp(): boolean {
    return this.#deps.setup.isOpen && !this.#deps.sections.isNasSaid;
  }

  get isOpen(): boolean {
    return this.#deps.setup.isOpen;
  }

  /**
   * @param name what follows `/dashboard/`
   * @returns true once answered; false if it is none of these pages
   */
  async handle(visit: SetupVisit, name: string): Promise<boolean> {
    const [isOurs, base, section = ''] = PLACE.exec(name) ?? [];
    if (isOurs === undefined) return false;
    const place = { ...visit, base: base as Base, name: section };
    const { setup } = this.#deps;
    if (!NAMES.has(section)) answerNow(visit.request, visit.response, refuse('not_found'));
    else if (base === 'setup' && setup.isOpen) await this.#beforeAdmin(place);
    else await this.#asAdmin(place);
    return true;
  }

  async #beforeAdmin(place: Place): Promise<void> {
    const { request, response, name, language } = place;
    const isLetIn = this.#deps.setup.holds(cookieOf(request, SETUP_COOKIE));
    const isPost = request.method === 'POST';
    if (name === '') {
      if (isPost) await this.#code(place);
      else if (isLetIn) goTo(response, '/dashboard/setup/house');
      else send(place, 200, codePage(language, null));
    } else if (!isLetIn) {
      if (isPost) send(place, 401, codePage(language, null));
      else goTo(response, '/dashboard/setup');
    } else if (BEFORE_ADMIN.has(name)) {
      await this.#section(place, { user: null, asksAgain: false });
    } else if (name === 'admin') send(place, 200, adminPage(language, await this.#noAdmin(place)));
    else goTo(response, '/dashboard/setup/admin');
  }

  async #asAdmin(place: Place): Promise<void> {
    const { request, response, base, name, language } = place;
    const cookie = cookieOf(request, DASHBOARD_COOKIE);
    const user = cookie === undefined ? null : await this.#deps.look(cookie);
    place.belongsTo(user);
    if (user === null) {
      this.#turnAway(place);
      return;
    }
    if (user.role !== 'admin') {
      send(place, 403, sentencePage(language, WORDS.of(language).setup.adminsOnly));
      return;
    }
    if (base === 'setup') await this.#guided(place, user);
    else if (name === '') send(place, 200, this.#deps.sections.index(language));
    else if (name === 'done' || name === 'admin') goTo(response, '/dashboard/settings');
    else await this.#section(place, { user, asksAgain: true });
  }

  /** The rest of the guided setup, for an admin. */
  async #guided(place: Place, user: User): Promise<void> {
    const { request, response, name, language } = place;
    const isJustDone = this.#deps.setup.isJustDone(cookieOf(request, SETUP_COOKIE));
    const isPast = PAST_ADMIN.has(name) || BEFORE_ADMIN.has(name);
    if (isPast) goTo(response, isJustDone ? '/dashboard/setup/account' : '/dashboard/settings');
    else if (name === 'done') send(place, 200, donePage(language));
    else await this.#section(place, { user, asksAgain: !isJustDone });
  }

  #turnAway(place: Place): void {
    const { request, response, base, name, language } = place;
    if (request.method === 'POST') {
      send(place, 401, sentencePage(language, refusalWords(language, 'no_token', undefined)));
      return;
    }
    const here = `/dashboard/${base}${name === '' ? '' : `/${name}`}`;
    goTo(response, `/dashboard/sign-in?next=${encodeURIComponent(here)}`);
  }

  async #code(place: Place): Promise<void> {
    const form = await this.#form(place);
    if (form === null) return;
    const { language, response, request } = place;
    const words = WORDS.of(language).setup;
    const outcome = this.#deps.setup.enter(form.get('code') ?? '');
    switch (outcome.kind) {
      case 'let_in': {
        const secure = this.#deps.isSecure(request) ? '; Secure' : '';
        const rules = `Path=/dashboard; HttpOnly; SameSite=Strict${secure}; Max-Age=${outcome.maxAgeSeconds}`;
        response.setHeader('Set-Cookie', `${SETUP_COOKIE}=${outcome.pass}; ${rules}`);
        goTo(response, '/dashboard/setup/house');
        return;
      }
      case 'wrong':
        send(place, 401, codePage(language, words.codeWrong));
        return;
      case 'too_many_tries':
        response.setHeader('Retry-After', outcome.retryAfterSeconds);
        send(
          place,
          429,
          codePage(language, filled(words.tooMany, { seconds: outcome.retryAfterSeconds })),
        );
        return;
      case 'code_over':
        send(place, 401, codePage(language, words.codeOver));
        return;
      case 'setup_over':
        goTo(response, '/dashboard/sign-in');
    }
  }

  async #section(place: Place, who: Pick<Visited, 'user' | 'asksAgain'>): Promise<void> {
    const { request, response, language, base } = place;
    const name = place.name as Section;
    const visited = { ...who, language, base, address: this.#deps.addressOf(request) };
    if (request.method !== 'POST') {
      send(place, 200, this.#deps.sections.show(name, visited));
      return;
    }
    const form = await this.#form(place);
    if (form === null) return;
    const outcome = await this.#deps.sections.take(name, visited, form);
    switch (outcome.kind) {
      case 'page':
        send(place, outcome.statusCode, outcome.html);
        return;
      case 'next':
        if (outcome.language !== undefined) this.#speak(place, outcome.language);
        goTo(response, outcome.place);
        return;
      case 'restart':
        if (outcome.language !== undefined) this.#speak(place, outcome.language);
        this.#startAgain(place, outcome.language ?? language, outcome.place);
    }
  }

  #startAgain(place: Place, language: Language, next: string): void {
    place.response.once('close', () => {
      this.#deps.restart();
    });
    send(place, 200, restartPage(language, next), WAITING_CONTENT_SECURITY_POLICY);
  }

  /** Sets the language cookie as the button in the pages' head does, which must be able to change it. */
  #speak({ response }: Place, language: Language): void {
    const rules = `Path=/dashboard; SameSite=Strict; Max-Age=${LANGUAGE_SECONDS}`;
    response.setHeader('Set-Cookie', `balupi_language=${language}; ${rules}`);
  }

  /** The problem to show to a user who signed in but is no admin. */
  async #noAdmin({ request, language }: Place): Promise<string | null> {
    const cookie = cookieOf(request, DASHBOARD_COOKIE);
    const user = cookie === undefined ? null : await this.#deps.look(cookie);
    return user === null
      ? null
      : filled(WORDS.of(language).setup.notAdmin, { name: user.username });
  }

  async #form(place: Place): Promise<URLSearchParams | null> {
    const { request, response, language } = place;
    const read = await readForm(request);
    if (read.kind === 'form') return read.form;
    if (read.kind === 'cut') return null;
    const code = read.kind === 'foreign' ? 'not_allowed' : 'too_large';
    if (read.kind === 'too_large') response.setHeader('Connection', 'close');
    const sentence = refusalWords(language, code, undefined);
    send(place, refuse(code).statusCode, sentencePage(language, sentence));
    return null;
  }
}

/** A form of names, passwords and choices. */
const FORM_BYTES = 32 * 1_024;

type FormRead =
  | { readonly kind: 'form'; readonly form: URLSearchParams }
  /** Another site's page sent it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'cut' };

/** Reads a form sent by one of our pages. */
async function readForm(request: IncomingMessage): Promise<FormRead> {
  if (!isSameOrigin(request)) return { kind: 'foreign' };
  const read = await readBody(request, FORM_BYTES);
  if (read.kind !== 'body') return read;
  return { kind: 'form', form: new URLSearchParams(read.bytes.toString('utf8')) };
}
