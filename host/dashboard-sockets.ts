import type { IncomingHttpHeaders } from 'node:http';
import type { User } from '../nodes/lib/accounts/accounts.ts';
import { RateLimiter } from '../nodes/lib/limits/limits.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';
import type { Viewers } from '../nodes/lib/viewers/viewers.ts';
import { type Language, WORDS } from '../nodes/lib/words/words.ts';
import { cookieOf } from './dashboard-request.ts';
import { DASHBOARD_COOKIE } from './dashboard-sign-in.ts';

/** The part of a socket.io socket that is used. */
export interface DashboardSocket {
  readonly id: string;
  readonly handshake: {
    readonly headers: IncomingHttpHeaders;
    /** What the page said of itself on opening the socket. */
    readonly query?: Readonly<Record<string, unknown>>;
  };
  readonly conn: {
    /** Packets that the reader has not taken yet. */
    readonly writeBuffer: readonly { readonly data?: unknown }[];
    on(event: 'close', listener: () => void): unknown;
    close(discard: boolean): unknown;
  };
  emit: (event: string, ...args: unknown[]) => boolean;
  use(check: (packet: unknown[], next: () => void) => void): unknown;
  disconnect(close: boolean): unknown;
}

export interface SocketAccounts {
  find(cookie: string): User | null;
  look(cookie: string): Promise<User | null>;
  deviceOf(cookie: string): string;
  /** @returns unsubscribes */
  onLogout(listener: () => void): () => void;
}

type Told = (config: unknown, script: unknown, language: Language) => unknown;

interface Open {
  readonly socket: DashboardSocket;
  readonly cookie: string;
  /** The first waiting packet at the last look, and for how many looks it has been. */
  waiting: unknown;
  looks: number;
}

/** How soon, in ms, a silent open page is closed after its sign-in ended. */
const SWEEP_MS = 5_000;
/** A page sends some 40 packets when it opens, and a few a minute after that. */
const PACKETS = { most: 300, windowMs: 10_000 };
/** A page opens one, and another after each network loss. */
const OPENED_PER_MINUTE = 60;
/** How much may wait for a page that does not read, and for how many looks. */
const MOST_UNREAD_BYTES = 2_000_000;
const MOST_LOOKS = 4;

/**
 * Filters between socket.io and the Dashboard: no socket without a sign-in or beyond its end, no
 * made-up packets in, no other page's messages out.
 */
export class DashboardSockets {
  readonly #accounts: SocketAccounts;
  readonly #viewers: Viewers;
  readonly #clock: Clock;
  readonly #told: Told;
  readonly #open = new Map<string, Open>();
  readonly #opened: RateLimiter;
  #cancel: Cancel | null = null;
  #stopHearing: () => void = () => undefined;

  /** @param told the Dashboard's configuration as a page with that script gets it */
  constructor(accounts: SocketAccounts, viewers: Viewers, clock: Clock, told: Told) {
    this.#told = told;
    this.#accounts = accounts;
    this.#viewers = viewers;
    this.#clock = clock;
    this.#opened = new RateLimiter(clock, { most: OPENED_PER_MINUTE });
  }

  start(): void {
    // The accounts announce a logout before they store it.
    this.#stopHearing = this.#accounts.onLogout(() => {
      setImmediate(() => {
        this.sweep();
      });
    });
    this.#tick();
  }

  stop(): void {
    this.#stopHearing();
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Closes the pages whose sign-in is over. */
  sweep(): void {
    for (const { socket, cookie } of [...this.#open.values()]) {
      if (this.#accounts.find(cookie) === null) socket.disconnect(true);
    }
  }

  /**
   * Counts a socket about to be opened: each is held for most of a minute, even if no page ever uses
   * it.
   */
  mayOpen({ id }: User): boolean {
    return this.#opened.take(String(id)).kind === 'go';
  }

  /** The Dashboard's setting `ioMiddleware`. */
  readonly middleware = (socket: DashboardSocket, next: (error?: Error) => void): void => {
    const cookie = cookieOf(socket.handshake, DASHBOARD_COOKIE) ?? '';
    this.#accounts.look(cookie).then(
      (user) => {
        const isIn = user !== null && this.#takeIn(socket, cookie);
        next(isIn ? undefined : new Error('unauthorized'));
      },
      () => {
        next(new Error('failed'));
      },
    );
  };

  #tick(): void {
    this.#cancel = this.#clock.after(SWEEP_MS, () => {
      // First, so that a disk that fails once does not end it.
      this.#tick();
      this.#closeUnread();
      this.sweep();
    });
  }

  /** Closes pages that have stopped reading, and drops what waits for them. */
  #closeUnread(): void {
    for (const open of [...this.#open.values()]) {
      const [first] = open.socket.conn.writeBuffer;
      open.looks = first !== undefined && first === open.waiting ? open.looks + 1 : 0;
      open.waiting = first;
      if (open.looks >= MOST_LOOKS) open.socket.conn.close(true);
    }
  }

  #takeIn(socket: DashboardSocket, cookie: string): boolean {
    const { headers } = socket.handshake;
    const language = WORDS.languageOf(
      cookieOf({ headers }, 'balupi_language'),
      headers['accept-language'],
    );
    const user = (): User | null => this.#accounts.find(cookie);
    const device = this.#accounts.deviceOf(cookie);
    if (!this.#viewers.add({ socketId: socket.id, language, device, user })) return false;
    this.#open.set(socket.id, { socket, cookie, waiting: undefined, looks: 0 });
    // Not the socket's own `disconnect`, whose listeners the Dashboard removes at a deploy.
    socket.conn.on('close', () => {
      this.#open.delete(socket.id);
      this.#viewers.remove(socket.id);
    });
    const types = new Map<string, string>();
    this.#guardIncoming(socket, user, types);
    this.#guardOutgoing(socket, user, { language, types });
    return true;
  }

  #guardIncoming(
    socket: DashboardSocket,
    user: () => User | null,
    types: ReadonlyMap<string, string>,
  ): void {
    const packets = new RateLimiter(this.#clock, PACKETS);
    socket.use((packet, next) => {
      if (packets.take().kind === 'wait' || user() === null) socket.disconnect(true);
      else if (admitPacket(packet, (id) => types.get(id))) next();
    });
  }

  #guardOutgoing(
    socket: DashboardSocket,
    user: () => User | null,
    shown: { readonly language: Language; readonly types: Map<string, string> },
  ): void {
    const emit = socket.emit.bind(socket);
    const look = lookOf(socket.handshake);
    socket.emit = (event, ...args) => {
      const reader = user();
      if (reader === null) {
        socket.disconnect(true);
        return false;
      }
      if (!isFor(readerAt(socket, reader), args)) return false;
      if (unreadBytes(socket) > MOST_UNREAD_BYTES) {
        socket.conn.close(true);
        return false;
      }
      if (event === 'ui-config') {
        const theirs = reader.role === 'admin' ? args[1] : withoutAdmins(args[1]);
        const config = inLook(look, theirs);
        learnTypes(shown.types, config);
        // Translate what the flows say, never what a message brings: that is data.
        const told = this.#told(config, socket.handshake.query?.['script'], shown.language);
        return emit(event, args[0], WORDS.inTemplate(shown.language, told));
      }
      return emit(event, ...args.map((argument) => WORDS.spoken(shown.language, argument)));
    };
  }
}

function readerAt({ id }: DashboardSocket, { username, role }: User): Reader {
  return { socketId: id, username, isAdmin: role === 'admin' };
}

function unreadBytes({ conn }: DashboardSocket): number {
  let bytes = 0;
  for (const { data } of conn.writeBuffer) {
    if (typeof data === 'string' || Buffer.isBuffer(data)) bytes += data.length;
  }
  return bytes;
}

/** What the reader chose, else their screen's preference. */
function lookOf(handshake: { readonly headers: IncomingHttpHeaders }): 'dark' | 'light' {
  const chosen = cookieOf(handshake, 'balupi_look');
  const wanted = chosen === 'dark' || chosen === 'light' ? chosen : null;
  return (wanted ?? cookieOf(handshake, 'balupi_screen')) === 'dark' ? 'dark' : 'light';
}

function learnTypes(types: Map<string, string>, config: unknown): void {
  const { widgets } = config as { widgets?: Record<string, { type?: string } | undefined> };
  types.clear();
  for (const [id, widget] of Object.entries(widgets ?? {})) types.set(id, widget?.type ?? '');
}

interface Themed {
  readonly theme?: string;
  readonly className?: string;
}

interface Placed {
  readonly className?: string;
  readonly page?: string;
  readonly props?: { readonly group?: string; readonly page?: string };
}

interface PageConfig {
  readonly pages?: Readonly<Record<string, Themed>>;
  readonly groups?: Readonly<Record<string, Placed>>;
  readonly widgets?: Readonly<Record<string, Placed>>;
  readonly themes?: Readonly<Record<string, unknown>>;
}

/** The class of pages and groups that only admins may know of. */
const FOR_ADMINS = /(?:^|\s)for-admins(?:\s|$)/;

/**
 * The Dashboard's configuration with dark themes, for a reader who prefers them. A theme's dark twin
 * has the same id with `-dark` appended; without one the page stays as it is.
 */
export function inLook(look: 'dark' | 'light', config: unknown): unknown {
  if (look === 'light' || typeof config !== 'object' || config === null) return config;
  const { pages = {}, themes = {} } = config as PageConfig;
  const darkened = Object.entries(pages).map(([id, page]) => {
    const twin = `${page.theme ?? ''}-dark`;
    return [id, Object.hasOwn(themes, twin) ? { ...page, theme: twin } : page];
  });
  return { ...config, pages: Object.fromEntries(darkened) as unknown };
}

/** The Dashboard's configuration without the pages and groups of class `for-admins`. */
export function withoutAdmins(config: unknown): unknown {
  if (typeof config !== 'object' || config === null) return config;
  const { pages = {}, groups = {}, widgets = {} } = config as PageConfig;
  const keptPages = kept(pages, ({ className }) => !isForAdmins(className));
  const has = (all: object, id: string | undefined): boolean =>
    id === undefined || id === '' || Object.hasOwn(all, id);
  const keptGroups = kept(
    groups,
    ({ className, page }) => !isForAdmins(className) && has(keptPages, page),
  );
  const keptWidgets = kept(
    widgets,
    ({ props }) => has(keptGroups, props?.group) && has(keptPages, props?.page),
  );
  return { ...config, pages: keptPages, groups: keptGroups, widgets: keptWidgets };
}

function isForAdmins(className: string | undefined): boolean {
  return FOR_ADMINS.test(className ?? '');
}

function kept<T>(
  all: Readonly<Record<string, T>>,
  keeps: (one: T) => boolean,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(all).filter(([, one]) => keeps(one)));
}

/** The events that widgets may send; everything else is dropped. */
const EVENTS = new Set([
  'widget-load',
  'widget-action',
  'widget-send',
  'widget-change',
  'ui-event',
]);
const PAGE_TOPICS = new Set(['$pageview', '$pageleave']);
/** Display-only widgets. A page that "changes" one would be faking what everybody sees. */
const SHOWN_ONLY = new Set([
  'ui-chart',
  'ui-control',
  'ui-event',
  'ui-gauge',
  'ui-markdown',
  'ui-notification',
  'ui-progress',
  'ui-spacer',
  'ui-table',
  'ui-text',
]);
/** The fields of a message that a flow may read. The sender is added here, never taken from it. */
const KEPT = ['payload', 'topic', 'action', 'column', '_event'];

/** The type of a widget by its id; undefined for one the page was not sent. */
type TypeOf = (widgetId: string) => string | undefined;

/**
 * Checks a page's packet and strips it in place.
 * @param packet the event's name, the widget's id and the message
 * @returns whether it may go on to the Dashboard
 */
export function admitPacket(packet: unknown[], typeOf: TypeOf): boolean {
  const [event, id] = packet;
  if (typeof event !== 'string' || !EVENTS.has(event) || typeof id !== 'string') return false;
  packet.length = Math.min(packet.length, 3);
  // The Dashboard's own notices have a name and no widget behind it.
  if (event === 'widget-load' && /^ui-[a-z-]+$/.test(id)) return ended(packet);
  const type = typeOf(id);
  if (type === undefined) return false;
  if (event === 'widget-load') return ended(packet);
  packet[2] = event === 'ui-event' ? pageEvent(packet[2]) : cleaned(packet[2]);
  if (event === 'ui-event') return type === 'ui-event' && packet[2] !== null;
  return event === 'widget-action' || !SHOWN_ONLY.has(type);
}

function ended(packet: unknown[]): true {
  packet.length = 2;
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function cleaned(message: unknown): unknown {
  if (Array.isArray(message)) return { payload: message as unknown[] };
  if (!isRecord(message)) return message;
  return Object.fromEntries(
    KEPT.filter((name) => Object.hasOwn(message, name)).map((name) => [name, message[name]]),
  );
}

/** Keeps only which page was opened or left. */
function pageEvent(message: unknown): unknown {
  if (!isRecord(message)) return null;
  const { topic, payload } = message;
  if (typeof topic !== 'string' || !PAGE_TOPICS.has(topic)) return null;
  const page = isRecord(payload) && isRecord(payload['page']) ? payload['page'] : {};
  const id = page['id'];
  return { topic, payload: { page: typeof id === 'string' ? id.slice(0, 64) : '' } };
}

/** The reader of a socket's page. */
interface Reader {
  readonly socketId: string;
  readonly username: string;
  readonly isAdmin: boolean;
}

/**
 * Whether a message may be shown at a socket. Unless a widget is set to keep pages apart, the Dashboard
 * sends one page's message to all of them and replays it to later ones. A message that names its
 * audience, as events do, is shown to nobody else.
 */
export function isFor(reader: Reader, args: readonly unknown[]): boolean {
  return args.every((argument) => {
    const messages: readonly unknown[] = Array.isArray(argument) ? argument : [argument];
    return messages.every((message) => {
      if (!isRecord(message)) return true;
      const client = message['_client'];
      const addressee = isRecord(client) ? client['socketId'] : undefined;
      if (addressee !== undefined && addressee !== reader.socketId) return false;
      // A table keeps rows of many messages in one message.
      return [message, ...rowsOf(message['payload'])].every((one) => mayKnow(reader, one));
    });
  });
}

function rowsOf(payload: unknown): readonly Record<string, unknown>[] {
  const rows: readonly unknown[] = Array.isArray(payload) ? payload : [payload];
  return rows.filter(isRecord);
}

function mayKnow(reader: Reader, message: Readonly<Record<string, unknown>>): boolean {
  const { audience, username } = message;
  if (audience === 'admins') return reader.isAdmin;
  return audience !== 'user' || username === reader.username;
}
