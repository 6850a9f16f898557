import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { signedIn, type Route } from './router.ts';
import { naiveSeconds } from './times.ts';
import type { TokenMint } from './tokens.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Exchange } from './wire.ts';

interface Notification {
  readonly id: number;
  readonly userId: number;
  readonly title: string;
  readonly createdAtMs: number;
  isRead: boolean;
}

interface Live {
  readonly userId: number;
  readonly socket: Duplex;
}

/** From RFC 6455, 1.3. */
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The bell: notifications by user, and the websocket that announces them. */
export class Notifications {
  readonly #tokens: TokenMint;
  readonly #clock: Clock;
  readonly #all: Notification[] = [];
  readonly #live = new Set<Live>();
  /** Text received over the websockets. */
  readonly heard: string[] = [];
  /** Headers of the opened websockets. */
  readonly opened: IncomingMessage['headers'][] = [];

  constructor(tokens: TokenMint, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  tell(user: NasUser, title: string): void {
    const id = this.#all.length + 1;
    const createdAtMs = this.#clock.nowMs();
    this.#all.push({ id, userId: user.id, title, createdAtMs, isRead: false });
    for (const { userId, socket } of this.#live) {
      if (userId !== user.id) continue;
      socket.write(frame({ type: 'notification', payload: { id, title } }));
    }
  }

  get routes(): readonly Route[] {
    return [
      signedIn('GET /api/notifications', {}, (exchange, user) => this.#list(exchange, user)),
      signedIn('GET /api/notifications/unread-count', {}, (_exchange, user) =>
        json({ count: this.#unread(user.id) }),
      ),
      signedIn('POST /api/notifications/read-all', {}, (_exchange, user) => {
        const unread = this.#of(user.id).filter(({ isRead }) => !isRead);
        for (const one of unread) one.isRead = true;
        return json({ success: true, count: unread.length });
      }),
      signedIn('POST /api/notifications/{id}/read', {}, (exchange, user) => {
        const one = this.#of(user.id).find(({ id }) => String(id) === exchange.param('id'));
        if (one === undefined) throw refused(404, 'Notification not found');
        one.isRead = true;
        return json(view(one));
      }),
      signedIn('GET /api/notifications/preferences', {}, (_exchange, user) =>
        json({ user_id: user.id, push_enabled: true, in_app_enabled: true }),
      ),
      signedIn('POST /api/notifications/ws-token', {}, (_exchange, user) =>
        json({ token: this.#tokens.websocket(user) }),
      ),
    ];
  }

  takes(request: IncomingMessage): boolean {
    return (request.url ?? '').startsWith('/api/notifications/ws');
  }

  /** Opens a websocket with a valid token; else 403, as the framework refuses one. */
  open(request: IncomingMessage, socket: Duplex): void {
    socket.on('error', () => undefined);
    const token = new URL(request.url ?? '', 'http://nas').searchParams.get('token') ?? '';
    const claims = this.#tokens.read(token, 'ws');
    const key = request.headers['sec-websocket-key'];
    if (claims === null || key === undefined) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    const accept = createHash('sha1').update(`${key}${MAGIC}`).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    const live = { userId: Number(claims.sub), socket };
    this.#live.add(live);
    this.opened.push(request.headers);
    socket.once('close', () => this.#live.delete(live));
    socket.on('data', (block: Buffer) => {
      this.#hear(live, block);
    });
    const count = this.#unread(live.userId);
    socket.write(frame({ type: 'unread_count', payload: { count } }));
  }

  #hear({ socket }: Live, block: Buffer): void {
    const opcode = (block[0] ?? 0) & 0x0f;
    if (opcode === 8) socket.end();
    if (opcode !== 1) return;
    const text = unmasked(block);
    this.heard.push(text);
    if (text.includes('"ping"')) socket.write(frame({ type: 'pong' }));
  }

  #list(exchange: Exchange, user: NasUser) {
    const mine = this.#of(user.id);
    const unreadOnly = exchange.query.get('unread_only') === 'true';
    const shown = mine.filter(({ isRead }) => !unreadOnly || !isRead).reverse();
    return json({
      notifications: shown.map(view),
      total: shown.length,
      unread_count: this.#unread(user.id),
      page: 1,
      page_size: 50,
    });
  }

  #of(userId: number): readonly Notification[] {
    return this.#all.filter((one) => one.userId === userId);
  }

  #unread(userId: number): number {
    return this.#of(userId).filter(({ isRead }) => !isRead).length;
  }
}

function view(one: Notification): object {
  return {
    id: one.id,
    user_id: one.userId,
    title: one.title,
    message: one.title,
    category: 'system',
    is_read: one.isRead,
    is_dismissed: false,
    created_at: naiveSeconds(one.createdAtMs),
  };
}

/** A server's text frame: short, unmasked, unfragmented. */
function frame(message: object): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const head =
    text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 0xff];
  return Buffer.concat([Buffer.from(head), text]);
}

/** The text of one short client frame. */
function unmasked(block: Buffer): string {
  const length = (block[1] ?? 0) & 0x7f;
  const mask = block.subarray(2, 6);
  const text = block.subarray(6, 6 + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.from(text).toString();
}
