import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type Answer, answerNow } from '../nodes/lib/http/http.ts';
import { pagePathOf, type WebPage, type WebPageAsked } from '../nodes/lib/pass/pass.ts';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';
import { asleepPage, WAITING_CONTENT_SECURITY_POLICY } from './dashboard-pages.ts';
import type { RequestWatch } from './request-watch.ts';

/** The NAS's own web pages. */
export interface WebHooks {
  /** An answer is a refusal. */
  page(asked: WebPageAsked): Promise<WebPage | Answer>;
}

export interface FrontPageDeps {
  /** The name that a name server points here, on whatever port; null if there is none. */
  readonly dnsName: string | null;
  /** The NAS's own, with its port if not the scheme's default. */
  readonly nasHost: string;
  readonly nas: () => { readonly awake: boolean; readonly sinceMs: number };
  readonly timeZone: string;
  readonly hooks: WebHooks;
  readonly watch: RequestWatch;
  readonly ownerOf: (request: IncomingMessage) => string;
}

type Next = () => void;

/**
 * Answers `/`. By the Pi's name a browser gets the dashboard; by the NAS's name the NAS's own pages,
 * or while it sleeps a page that says so and goes on by itself. Programs ask for JSON, and get it.
 */
export class FrontPage {
  readonly #deps: FrontPageDeps;

  constructor(deps: FrontPageDeps) {
    this.#deps = deps;
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse, next: Next): void => {
    const { method, url = '/', headers } = request;
    const isRead = method === 'GET' || method === 'HEAD';
    // Only programs send a token.
    if (!isRead || headers.authorization !== undefined) {
      next();
      return;
    }
    const wantsPage = /text\/html/i.test(headers.accept ?? '');
    if (this.#isNas(headers.host ?? '')) {
      const path = pagePathOf(url, wantsPage);
      if (path === null) next();
      else this.#nas(request, response, { path, wantsPage, next });
    } else if (wantsPage && url.split('?', 1)[0] === '/') {
      setRootHeaders(response);
      response.writeHead(302, { Location: '/dashboard', 'Content-Length': 0 }).end();
    } else next();
  };

  #isNas(host: string): boolean {
    const { dnsName, nasHost } = this.#deps;
    const asked = host.toLowerCase();
    return (
      asked.replace(/:\d+$/, '') === dnsName?.toLowerCase() || asked.replace(/:80$/, '') === nasHost
    );
  }

  #nas(
    request: IncomingMessage,
    response: ServerResponse,
    { path, wantsPage, next }: { path: string; wantsPage: boolean; next: Next },
  ): void {
    const { awake } = this.#deps.nas();
    if (!awake && !wantsPage) {
      next();
      return;
    }
    if (wantsPage) setRootHeaders(response);
    if (awake) {
      this.#pass(request, response, { path, wantsPage }).catch(() => {
        response.destroy();
      });
    } else this.#sayAsleep(request, response);
  }

  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    { path, wantsPage }: { path: string; wantsPage: boolean },
  ): Promise<void> {
    const { hooks, watch, ownerOf } = this.#deps;
    const life = watch.watch(request, response);
    life.belongsTo(null);
    const { headers } = request;
    const address = ownerOf(request);
    const page = await hooks.page({ path, headers, address, signal: life.signal });
    if ('statusCode' in page) {
      // It fell asleep a moment ago.
      if (wantsPage && page.statusCode === 503) this.#sayAsleep(request, response);
      else answerNow(request, response, page);
      return;
    }
    const { status, lengthBytes, body } = page;
    const length = lengthBytes === null ? {} : { 'Content-Length': lengthBytes };
    response.writeHead(status, { ...page.headers, ...length });
    if (request.method === 'HEAD' || status === 304) {
      body.destroy();
      response.end();
    } else await pipeline(body, response);
  }

  #sayAsleep(request: IncomingMessage, response: ServerResponse): void {
    const { nas, timeZone } = this.#deps;
    const body = asleepIn(languageOf(request), nas().sinceMs, timeZone);
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Content-Security-Policy': WAITING_CONTENT_SECURITY_POLICY,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

/** The same address serves different pages over time. */
function setRootHeaders(response: ServerResponse): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Vary', 'Accept, Accept-Language');
}

function languageOf({ headers }: IncomingMessage): Language {
  return WORDS.languageOf(undefined, headers['accept-language']);
}

function asleepIn(language: Language, sinceMs: number, timeZone: string): string {
  const since = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, {
    ...{ timeZone, weekday: 'long', hour: '2-digit', minute: '2-digit' },
  }).format(sinceMs);
  return asleepPage(language, since);
}
