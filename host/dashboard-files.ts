import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { type Language, type Words, WORDS } from '../nodes/lib/words/words.ts';
import { isDrawn } from '../pages/dashboard/drawn.ts';

const INTL = 'balupi-intl.js';
/** A worker has its own policy; this one loads nothing. */
const INTL_CONTENT_SECURITY_POLICY = "default-src 'none'";
/**
 * How every page writes numbers, money, dates and times, as `window.balupi`: in the reader's
 * language and region, and in this BaluPi's zone, wherever the browser is. The region is the
 * browser's if it speaks the language (an en-GB reader gets British dates).
 */
const PAGE_SCRIPT = `((language, timeZone, languages) => {
  // What follows is used soon.
  if (window.Worker) new window.Worker('/dashboard/${INTL}');
  const known = (navigator.languages || []).find((tag) => tag.toLowerCase().split('-')[0] === language);
  const locale = known || { de: 'de-DE', en: 'en-GB' }[language] || language;
  const formats = new Map();
  const formatOf = (Kind, options) => {
    const key = Kind.name + JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Kind(locale, options));
    return formats.get(key);
  };
  const at = (moment) => (typeof moment === 'string' ? new Date(moment) : moment);
  const date = (moment, options) => formatOf(Intl.DateTimeFormat, { timeZone, ...options }).format(at(moment));
  const number = (value, digits) =>
    formatOf(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  let inZone = null;
  const zoned = () => (inZone ??= new Intl.DateTimeFormat('en-US', {
    timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit'
  }));
  const parts = (moment) => Object.fromEntries(zoned().formatToParts(at(moment)).map(({ type, value }) => [type, value]));
  const dayOf = (moment) => { const { year, month, day } = parts(moment); return year + '-' + month + '-' + day };
  const clockOf = (moment) => { const { hour, minute } = parts(moment); return hour + ':' + minute };
  const utc = (day) => new Date(day + 'T00:00:00Z');
  const iso = (moment) => moment.toISOString().slice(0, 10);
  window.balupi = {
    language, locale, timeZone, languages, number, date,
    atMost: (value, digits) => formatOf(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value),
    money: (euro) => formatOf(Intl.NumberFormat, { style: 'currency', currency: 'EUR' }).format(euro),
    /** How long ago, of seconds: the largest unit that counts at least two. */
    ago: (seconds) => {
      const [size, unit] = [[86400, 'day'], [3600, 'hour'], [60, 'minute']].find(([one]) => seconds >= 2 * one) || [1, 'second'];
      return formatOf(Intl.RelativeTimeFormat, { style: 'narrow' }).format(-Math.round(seconds / size), unit);
    },
    when: (moment) => date(moment, { dateStyle: 'short', timeStyle: 'short' }),
    time: (moment) => date(moment, { timeStyle: 'short' }),
    /** A number as somebody writes it into a form; NaN where it is none. */
    read: (text) => {
      const plain = String(text).trim().replace(/\\u2212/g, '-').replace(/[\\s\\u00A0\\u202F']/g, '');
      const mark = Math.max(plain.lastIndexOf(','), plain.lastIndexOf('.'));
      const isOne = mark >= 0 && plain.indexOf(plain[mark]) === mark;
      const whole = isOne ? plain.slice(0, mark) : plain;
      const rest = isOne ? plain.slice(mark + 1) : '';
      const isNumber = /^-?(\\d*|\\d{1,3}([.,]\\d{3})+)$/.test(whole) && /^\\d*$/.test(rest) && /\\d/.test(plain);
      return isNumber ? Number(whole.replace(/[.,]/g, '') + '.' + rest) : NaN;
    },
    /** A number for a form, with all its digits. */
    written: (value) => formatOf(Intl.NumberFormat, { useGrouping: false, maximumFractionDigits: 6 }).format(value),
    /** The local calendar day of a moment, YYYY-MM-DD, and its time, HH:MM. */
    dayOf, clockOf,
    /** The moment of a local time, YYYY-MM-DDTHH:MM, in UTC. */
    momentOf: (local) => {
      const wantedMs = Date.parse(local + ':00Z');
      const shownMs = (ms) => Date.parse(dayOf(ms) + 'T' + clockOf(ms) + ':00Z');
      const nearMs = 2 * wantedMs - shownMs(wantedMs);
      return new Date(nearMs + wantedMs - shownMs(nearMs)).toISOString().replace('.000Z', 'Z');
    },
    addDays: (day, days) => { const moved = utc(day); moved.setUTCDate(moved.getUTCDate() + days); return iso(moved) },
    addMonths: (day, months) => {
      const [year, month] = day.split('-').map(Number);
      return iso(new Date(Date.UTC(year, month - 1 + months, 1)));
    },
    /** Applies changes (JSON Patch, RFC 6902), by which the Pi updates an answer that a page already has. */
    changed: (value, changes) => {
      const whole = structuredClone(value);
      for (const { op, path, value: put } of changes) {
        const names = path.split('/').slice(1).map((name) => name.replace(/~1/g, '/').replace(/~0/g, '~'));
        const last = names.pop();
        const place = names.reduce((at, name) => at[name], whole);
        if (op !== 'remove') place[last] = put;
        else if (Array.isArray(place)) place.splice(Number(last), 1);
        else delete place[last];
      }
      return whole;
    },
    /** A calendar day formatted by the options, in any zone. */
    dayText: (day, options) => formatOf(Intl.DateTimeFormat, { timeZone: 'UTC', ...options }).format(utc(day))
  };
})`;

/**
 * @param timeZone IANA name of BaluPi's zone
 * @param words whose languages the page offers
 */
export function pageScript(language: Language, timeZone: string, words: Words = WORDS): string {
  const given = [language, timeZone, words.languages].map((one) => JSON.stringify(one));
  return `${PAGE_SCRIPT}(${given.join(', ')});\n`;
}

/**
 * A worker that formats one value of each kind and ends. The first use of Intl in a browser's process
 * loads all its languages, which blocks a page on a slow phone for 200 ms; the worker takes that off
 * the page's thread. A page that is faster, or has no worker, pays for it itself.
 * @param timeZone IANA name of BaluPi's zone
 */
export function intlScript(language: Language, timeZone: string): string {
  return `const window = {};
${pageScript(language, timeZone)}
window.balupi.when(0);
window.balupi.dayOf(0);
window.balupi.dayText('2026-01-01', { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' });
window.balupi.number(0, 1);
window.balupi.money(0);
window.balupi.ago(0);
self.close();
`;
}

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
/** Their names hold a content hash, so they never change. */
const HASHED = 'private, max-age=31536000, immutable';
const OTHERS = 'private, max-age=86400';

/**
 * The Dashboard's page may use its own scripts, styles and sockets, nothing from elsewhere. Vue
 * compiles the templates of the flows in the browser, hence `unsafe-eval`.
 */
const DASHBOARD_CONTENT_SECURITY_POLICY = [
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

/** Tells the Pi before the socket opens whether this screen prefers dark; see `look`. */
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
 * Replaces the Dashboard's own worker, which would prefetch 11 MB from the Pi and show its shell to
 * readers who are signed out. This one caches nothing: it shows the Pi's notifications (`notices`) and
 * opens the page that belongs to each.
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
/** A worker has its own policy; this one loads nothing but a notification's icon. */
const WORKER_CONTENT_SECURITY_POLICY = "default-src 'none'; img-src 'self'";

/** Our icons; the Dashboard's own show its makers' logo. */
const ICONS = {
  'favicon.svg': 'icon.svg',
  // The page itself inserts this one, whatever its head says.
  'favicon.ico': 'favicon.ico',
  'apple-touch-icon.png': 'apple-touch-icon.png',
  'icon-192.png': 'icon-192.png',
  'icon-512.png': 'icon-512.png',
  'maskable-512.png': 'maskable-512.png',
} as const;
const MANIFEST = 'manifest.webmanifest';
/** The same as in the themes of `flows/shared.json`. */
const HEAD_COLOUR = { light: '#0b4f3a', dark: '#10201a' } as const;
const PAGE_COLOUR = '#eef1f5';

/**
 * The web app manifest. Browsers fetch it and the icons without a cookie, so all of it is public and
 * names nobody.
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

/** For the head of every page: icons, colour and manifest. */
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
  [INTL, intlScript],
  ['balupi-look.js', () => LOOK_SCRIPT],
  ['balupi-page.js', pageScript],
]);

/** One request for a file, and its reader's language. */
interface FileVisit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly language: Language;
}

/**
 * Serves the Dashboard's page and its 3 MB of scripts: compressed once at build time and cached by the
 * browser. The Dashboard itself would compress all of it for each load, at 1 MB a second on a Pi.
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
   *   `icons`: where our own lie
   * @param timeZone IANA name of the zone that all pages show times in
   * @param nodes of the running flows: their widgets decide which page is sent
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

  /** @returns true once sent; false where `name` (what follows `/dashboard/`) is none of its files */
  send({ request, response, language }: FileVisit, name: string): boolean {
    const own = OWN.get(name);
    if (own !== undefined) {
      const text = own(language, this.#timeZone);
      if (name === INTL)
        response.setHeader('Content-Security-Policy', INTL_CONTENT_SECURITY_POLICY);
      this.#text(request, response, { text, type: TYPES['.js'] ?? '' });
    } else if (this.#lean?.has(name) === true) this.#file(request, response, name, this.#packed);
    else if (!this.#names.has(name) || name === 'index.html') return false;
    else this.#file(request, response, name, this.#folder);
    return true;
  }

  /**
   * Sends what needs no sign-in: manifest, icons, and the service worker, for which browsers look
   * by themselves, signed in or not.
   * @returns false where `name` is none of them
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
   * The Dashboard's configuration as it is sent to a page.
   * @param script that page's script, as the page names it
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

/** The codings that the build may have made; browsers accept the smaller one over https only. */
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

/** They run before the page's own script, which waits for the document. */
const OWN_SCRIPTS = ['balupi-look.js', 'balupi-page.js']
  .map((name) => `<script src="/dashboard/${name}"></script>\n    `)
  .join('');

/** The Dashboard's page under BaluPi's name, with absolute addresses. */
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

/** The build's copy of the Dashboard's page without what our pages do not use (ADR 0049). */
export interface LeanFiles {
  /** What follows `/dashboard/`. */
  readonly script: string;
  readonly style: string;
  readonly font: string;
  /** Names of the icons left in the font. */
  readonly icons: readonly string[];
  readonly light: LightFiles;
}

/** Our own page, for flows with nothing but templates on their pages (ADR 0069). */
export interface LightFiles {
  /** One per language, with our parts in it. */
  readonly scripts: Readonly<Record<Language, string>>;
  readonly style: string;
  /** Fetched by a page with an owner's part. */
  readonly compiler: string;
  /** The parts in the scripts: their names by the hash of their text. */
  readonly parts: Readonly<Record<string, string>>;
}

/** A node of the running flows with its settings. */
export interface SetNode {
  readonly type: string;
  readonly [property: string]: unknown;
}

interface Shown {
  readonly widgets?: Readonly<
    Record<string, { readonly props?: Readonly<Record<string, unknown>> }>
  >;
}

/** Identifies the text of a compiled part. */
export function partHash(format: string): string {
  return createHash('sha256').update(format).digest('base64url');
}

/** Widgets that the lean page can draw; charts, gauges, Markdown and third-party ones it cannot. */
const DRAWN: ReadonlySet<string> = new Set(
  (
    'audio base button button-group control dropdown event file-input form group iframe link ' +
    'notification number-input page progress radio-group slider spacer switch table template text ' +
    'text-input theme'
  )
    .split(' ')
    .map((name) => `ui-${name}`),
);

/** Their icons are in the Dashboard's own menu, which we do not show. */
const IN_MENU: ReadonlySet<string> = new Set(['ui-page', 'ui-link']);

const ICON = /\bmdi-[a-z0-9-]+/g;

/** The lean copy of the Dashboard's page, and for which flows it is enough. */
export class LeanPage {
  readonly #files: LeanFiles;
  readonly #icons: ReadonlySet<string>;

  private constructor(files: LeanFiles) {
    this.#files = files;
    this.#icons = new Set(files.icons);
  }

  /** @returns null if the build made none */
  static read(packedFolder: string): LeanPage | null {
    const file = join(packedFolder, 'lean.json');
    if (!existsSync(file)) return null;
    return new LeanPage(JSON.parse(readFileSync(file, 'utf8')) as LeanFiles);
  }

  has(name: string): boolean {
    const { script, style, font, light } = this.#files;
    const { scripts, compiler } = light;
    const all = [script, style, font, light.style, compiler, ...Object.values(scripts)];
    return all.includes(name);
  }

  /** Whether it can show all widgets of these flows. */
  isEnoughFor(nodes: Iterable<SetNode>): boolean {
    for (const node of nodes) {
      if (!node.type.startsWith('ui-')) continue;
      if (!DRAWN.has(node.type) || !this.#hasIconsOf(node)) return false;
    }
    return true;
  }

  /** Whether the light page can draw all of them. */
  isLightEnoughFor(nodes: Iterable<SetNode>): boolean {
    for (const node of nodes) {
      if (!isDrawn(node)) return false;
    }
    return true;
  }

  /**
   * @param html the Dashboard's full page
   * @param nodes of the running flows
   */
  index(html: string, nodes: Iterable<SetNode>, language: Language): string {
    const { font, light } = this.#files;
    const ours = this.isLightEnoughFor(nodes) ? light.scripts[language] : undefined;
    const { script, style } =
      ours === undefined ? this.#files : { script: ours, style: light.style };
    return html
      .replace(/[ \t]*<link rel="modulepreload"[^>]*>\n/g, '')
      .replace(/src="[^"]*assets\/index-[^"]+\.js"/, `src="/dashboard/${script}"`)
      .replace(
        /<link rel="stylesheet"[^>]*>/,
        `<link rel="preload" as="font" type="font/woff2" crossorigin href="/dashboard/${font}">\n    ` +
          `<link rel="stylesheet" crossorigin href="/dashboard/${style}">`,
      );
  }

  /**
   * The Dashboard's configuration for a light page: parts that its script already has are sent by name
   * alone, so that they are neither sent nor compiled again.
   * @param script the page's script, as the page names it; a page of another version or language gets all
   */
  named(config: unknown, script: unknown, language: Language): unknown {
    const { scripts, parts } = this.#files.light;
    if (script !== scripts[language] || typeof config !== 'object' || config === null)
      return config;
    const { widgets = {} } = config as Shown;
    const named = Object.entries(widgets).map(([id, widget]) => {
      const { format, ...props } = widget.props ?? {};
      const part = typeof format === 'string' ? parts[partHash(format)] : undefined;
      return [id, part === undefined ? widget : { ...widget, props: { ...props, part } }];
    });
    return { ...config, widgets: Object.fromEntries(named) as unknown };
  }

  /** Icon names come with or without `mdi-`. */
  #hasIconsOf(node: SetNode): boolean {
    const { icon, type } = node;
    const named = JSON.stringify(node).match(ICON) ?? [];
    const own = typeof icon === 'string' && icon !== '' && !IN_MENU.has(type) ? [icon] : [];
    return [...named, ...own.map((name) => (name.startsWith('mdi-') ? name : `mdi-${name}`))].every(
      (name) => this.#icons.has(name),
    );
  }
}
