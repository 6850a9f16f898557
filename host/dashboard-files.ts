import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';
import { LeanPage, type SetNode } from './dashboard-lean.ts';
import { pageScript } from './dashboard-script.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.eot': 'application/vnd.ms-fontobject',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
};
/** Their names hold a hash of what is in them, so they never change. */
const HASHED = 'private, max-age=31536000, immutable';
const OTHERS = 'private, max-age=86400';

/**
 * What the Dashboard's page may do: its own scripts, styles and sockets, nothing from elsewhere.
 * Vue compiles the templates of the flows in the browser, which is what `unsafe-eval` is for.
 */
export const DASHBOARD_CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Tells the Pi before the socket opens whether this screen likes it dark; see `look`. */
const LOOK_SCRIPT = `(() => {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const keep = () => {
    const look = dark.matches ? 'dark' : 'light';
    document.cookie = 'balupi_screen=' + look + '; path=/dashboard; samesite=strict; max-age=31536000';
  };
  keep();
  dark.addEventListener('change', () => {
    keep();
    if (!/balupi_look=(dark|light)/.test(document.cookie)) window.location.reload();
  });
})();
`;

/**
 * In place of the Dashboard's own worker, which would fetch 11 MB ahead over the network of a Pi and
 * show its shell to somebody who is signed out. This one keeps nothing: it shows what the Pi sends to
 * this browser (`notices`), and opens the page that belongs to it.
 */
const WORKER_SCRIPT = `const read = (event) => { try { return event.data.json() } catch { return {} } };
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('push', (event) => {
  const { title = 'BaluPi', body = '', lang = 'en', tag = 'balupi', url = '/dashboard/' } = read(event);
  const icon = '/dashboard/icon-192.png';
  event.waitUntil(self.registration.showNotification(title, { body, lang, tag, icon, data: { url } }));
});
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const wanted = new URL((event.notification.data || {}).url || '/dashboard/', self.location.origin);
  const isOurs = wanted.origin === self.location.origin && wanted.pathname.startsWith('/dashboard/');
  const url = isOurs ? wanted.href : '/dashboard/';
  event.waitUntil(self.clients.matchAll({ type: 'window' }).then(([page]) =>
    page ? page.focus().then((shown) => shown.navigate(url)) : self.clients.openWindow(url)));
});
`;
const WORKER = 'sw.js';
/** A worker has a policy of its own: this one loads nothing but the icon of a message. */
const WORKER_CONTENT_SECURITY_POLICY = "default-src 'none'; img-src 'self'";

/** Of the house, beside this program; the Dashboard's own show the mark of its makers. */
const ICONS = {
  'favicon.svg': 'icon.svg',
  // The page itself puts this one in, whatever its head says.
  'favicon.ico': 'favicon.ico',
  'apple-touch-icon.png': 'apple-touch-icon.png',
  'icon-192.png': 'icon-192.png',
  'icon-512.png': 'icon-512.png',
  'maskable-512.png': 'maskable-512.png',
} as const;
const MANIFEST = 'manifest.webmanifest';
/** As the themes of the flows have them (`flows/shared.json`). */
const HEAD_COLOUR = { light: '#0b4f3a', dark: '#10201a' } as const;
const PAGE_COLOUR = '#eef1f5';

/**
 * What a home screen is told. Browsers ask for it, and for the icons, without a cookie, so all of it
 * is open and names nobody.
 */
function manifestIn(language: Language): string {
  const icon = (name: string, size: number, purpose: string): Record<string, string> => {
    const src = `/dashboard/${name}`;
    return { src, sizes: `${size}x${size}`, type: 'image/png', purpose };
  };
  return JSON.stringify({
    id: '/dashboard/',
    name: 'BaluPi',
    short_name: 'BaluPi',
    description: WORDS.of(language).signIn.house,
    lang: language,
    start_url: '/dashboard/',
    scope: '/dashboard/',
    display: 'standalone',
    background_color: PAGE_COLOUR,
    theme_color: HEAD_COLOUR.light,
    icons: [
      icon('icon-192.png', 192, 'any'),
      icon('icon-512.png', 512, 'any'),
      icon('maskable-512.png', 512, 'maskable'),
    ],
  });
}

/** For the head of every page of the house: its icons, its colour, and how it is installed. */
export const HEAD_OF_ALL = [
  '<link rel="icon" type="image/svg+xml" href="/dashboard/favicon.svg">',
  '<link rel="alternate icon" type="image/x-icon" href="/dashboard/favicon.ico">',
  '<link rel="apple-touch-icon" sizes="180x180" href="/dashboard/apple-touch-icon.png">',
  `<link rel="manifest" href="/dashboard/${MANIFEST}">`,
  `<meta name="theme-color" media="(prefers-color-scheme: light)" content="${HEAD_COLOUR.light}">`,
  `<meta name="theme-color" media="(prefers-color-scheme: dark)" content="${HEAD_COLOUR.dark}">`,
].join('\n');

type Script = (language: Language, timeZone: string) => string;

const OWN: ReadonlyMap<string, Script> = new Map([
  ['balupi-look.js', () => LOOK_SCRIPT],
  ['balupi-page.js', pageScript],
]);

/** One request for a file, and in which language its sender reads. */
interface FileVisit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly language: Language;
}

/**
 * The Dashboard's page and its 3 MB of scripts, sent from here rather than by the Dashboard: packed
 * once at the build and kept by the browser, as a Pi packs 1 MB a second and is asked for all of it
 * each time otherwise.
 */
export class DashboardFiles {
  readonly #folder: string;
  readonly #packed: string;
  readonly #names: ReadonlySet<string>;
  readonly #index: string;
  readonly #timeZone: string;
  readonly #icons: ReadonlyMap<string, Buffer>;
  readonly #lean: LeanPage | null;
  readonly #nodes: () => Iterable<SetNode>;

  /**
   * @param folders `packed`: where the build left the packed files, each with `.gz` behind its name;
   *   `icons`: where those of the house lie
   * @param timeZone IANA name of the zone that all pages tell times in
   * @param nodes those of the running flows: what they put on a page decides what a page is made of
   */
  constructor(
    folders: { readonly packed: string; readonly icons: string },
    timeZone: string,
    nodes: () => Iterable<SetNode>,
  ) {
    this.#timeZone = timeZone;
    this.#nodes = nodes;
    this.#lean = LeanPage.read(folders.packed);
    this.#icons = new Map(
      Object.entries(ICONS).map(([name, file]) => [name, readFileSync(join(folders.icons, file))]),
    );
    this.#folder = dashboardFolder();
    this.#packed = folders.packed;
    this.#names = new Set(filesIn(this.#folder));
    this.#index = indexPage(readFileSync(join(this.#folder, 'index.html'), 'utf8'));
  }

  /** @returns whether `name` (what follows `/dashboard/`) is one of its files, which is sent then */
  send({ request, response, language }: FileVisit, name: string): boolean {
    const own = OWN.get(name);
    if (own !== undefined) {
      const text = own(language, this.#timeZone);
      this.#text(request, response, { text, type: TYPES['.js'] ?? '' });
    } else if (this.#lean?.has(name) === true) this.#file(request, response, name, this.#packed);
    else if (!this.#names.has(name) || name === 'index.html') return false;
    else this.#file(request, response, name, this.#folder);
    return true;
  }

  /**
   * @returns whether `name` is the manifest, an icon or the service worker, which need no sign-in and
   *   are sent then: a browser looks for a newer worker by itself, signed in or not
   */
  sendOpen({ request, response, language }: FileVisit, name: string): boolean {
    if (name === WORKER) {
      response.setHeader('Content-Security-Policy', WORKER_CONTENT_SECURITY_POLICY);
      response.setHeader('Cache-Control', 'no-cache');
      this.#text(request, response, { text: WORKER_SCRIPT, type: TYPES['.js'] ?? '' });
      return true;
    }
    const icon = this.#icons.get(name);
    if (name !== MANIFEST && icon === undefined) return false;
    const body = icon ?? Buffer.from(manifestIn(language));
    const type = icon === undefined ? 'application/manifest+json' : TYPES[extname(name)];
    response.setHeader('Content-Type', type ?? 'application/octet-stream');
    response.setHeader('Content-Length', body.length);
    response.setHeader('Cache-Control', OTHERS);
    response.setHeader('Vary', 'Accept-Language');
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  }

  /**
   * The Dashboard's configuration as a page is told it.
   * @param script the script of that page, as it tells it itself
   */
  readonly told = (config: unknown, script: unknown, language: Language): unknown =>
    this.#lean?.named(config, script, language) ?? config;

  sendIndex({ request, response, language }: FileVisit): void {
    response.setHeader('Content-Security-Policy', DASHBOARD_CONTENT_SECURITY_POLICY);
    response.setHeader('Referrer-Policy', 'same-origin');
    const nodes = [...this.#nodes()];
    const lean = this.#lean?.isEnoughFor(nodes) === true ? this.#lean : null;
    const text = lean?.index(this.#index, nodes, language) ?? this.#index;
    this.#text(request, response, { text, type: TYPES['.html'] ?? '' });
  }

  #text(
    request: IncomingMessage,
    response: ServerResponse,
    { text, type }: { text: string; type: string },
  ): void {
    response.setHeader('Content-Type', type);
    response.setHeader('Content-Length', Buffer.byteLength(text));
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  #file(request: IncomingMessage, response: ServerResponse, name: string, folder: string): void {
    const coding = this.#codingOf(request, name);
    const file = coding === null ? join(folder, name) : join(this.#packed, name + coding.ending);
    if (coding !== null) response.setHeader('Content-Encoding', coding.name);
    response.setHeader('Vary', 'Accept-Encoding');
    response.setHeader('Content-Type', TYPES[extname(name)] ?? 'application/octet-stream');
    response.setHeader('Content-Length', statSync(file).size);
    response.setHeader('Cache-Control', name.startsWith('assets/') ? HASHED : OTHERS);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const stream = createReadStream(file);
    stream.on('error', () => response.destroy());
    stream.pipe(response);
  }

  #codingOf({ headers }: IncomingMessage, name: string): (typeof CODINGS)[number] | null {
    const taken = String(headers['accept-encoding'] ?? '');
    const there = CODINGS.find(
      (one) =>
        new RegExp(`\\b${one.name}\\b`).test(taken) &&
        existsSync(join(this.#packed, name + one.ending)),
    );
    return there ?? null;
  }
}

/** The codings that the build may have left; browsers take the smaller one by https alone. */
const CODINGS = [
  { name: 'br', ending: '.br' },
  { name: 'gzip', ending: '.gz' },
] as const;

/** Where the Dashboard's built page lies. */
export function dashboardFolder(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@flowfuse/node-red-dashboard/package.json')), 'dist');
}

/** Every file below a folder, with `/` between the parts. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
}

/** They run before the page's own, which waits until the document is there. */
const OWN_SCRIPTS = ['balupi-look.js', 'balupi-page.js']
  .map((name) => `<script src="/dashboard/${name}"></script>\n    `)
  .join('');

/** The Dashboard's page under BaluPi's name, with addresses that do not depend on its own. */
function indexPage(html: string): string {
  return html
    .replace('<title>FlowFuse Dashboard</title>', '<title>BaluPi</title>')
    .replace('content="FlowFuse Dashboard"', 'content="BaluPi"')
    .replace(/[ \t]*<link [^>]*rel="(?:icon|alternate icon|apple-touch-icon)"[^>]*>\n/g, '')
    .replace(/[ \t]*<meta name="theme-color"[^>]*>\n/g, '')
    .replace('</head>', `${HEAD_OF_ALL}\n  </head>`)
    .replaceAll('="./', '="/dashboard/')
    .replace('<script type="module"', `${OWN_SCRIPTS}$&`);
}
