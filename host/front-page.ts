import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Language } from '../nodes/lib/viewers/viewers.ts';
import { asleepPage, PAGE_CONTENT_SECURITY_POLICY } from './dashboard-pages.ts';

interface Deps {
  /** Names by which the NAS is known: its own, and the one that a name server lets point here. */
  readonly nasNames: ReadonlySet<string>;
  readonly nasUrl: string;
  readonly nas: () => { readonly awake: boolean; readonly sinceMs: number };
  readonly timeZone: string;
}

/**
 * What a browser gets that asks for the address itself. By the Pi's name that is the dashboard; by
 * the NAS's name the NAS's own pages while it is up, and while it sleeps a page that says so and goes
 * on by itself. Programs ask for JSON, and get it.
 */
export class FrontPage {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  readonly handle = (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => void,
  ): void => {
    if (!isBrowserAtRoot(request)) {
      next();
      return;
    }
    const { nasNames, nasUrl, nas, timeZone } = this.#deps;
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Vary', 'Accept, Accept-Language');
    if (!nasNames.has(nameOf(request.headers.host ?? ''))) {
      response.writeHead(302, { Location: '/dashboard', 'Content-Length': 0 }).end();
      return;
    }
    const { awake, sinceMs } = nas();
    if (awake) {
      response.writeHead(302, { Location: `${nasUrl}/`, 'Content-Length': 0 }).end();
      return;
    }
    const body = asleepIn(languageOf(request), sinceMs, timeZone);
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Content-Security-Policy': PAGE_CONTENT_SECURITY_POLICY,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

function isBrowserAtRoot({ method, url = '', headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  return url.split('?', 1)[0] === '/' && /text\/html/i.test(headers.accept ?? '');
}

function languageOf({ headers }: IncomingMessage): Language {
  return /^de\b/i.test(headers['accept-language'] ?? '') ? 'de' : 'en';
}

function asleepIn(language: Language, sinceMs: number, timeZone: string): string {
  const since = new Intl.DateTimeFormat(language === 'de' ? 'de-DE' : 'en-GB', {
    ...{ timeZone, weekday: 'long', hour: '2-digit', minute: '2-digit' },
  }).format(sinceMs);
  return asleepPage(language, since);
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}
