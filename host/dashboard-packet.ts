/** What the widgets of a page may send. Everything else a browser makes up goes nowhere. */
const EVENTS = new Set([
  'widget-load',
  'widget-action',
  'widget-send',
  'widget-change',
  'ui-event',
]);
const PAGE_TOPICS = new Set(['$pageview', '$pageleave']);
/** These only show. A page that "changes" one would be faking what everybody sees. */
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
/** What of a message a flow may read. Who sent it is not among it: that is added here. */
const KEPT = ['payload', 'topic', 'action', 'column', '_event'];

/** The type of a widget by its id, as the page was told; undefined for one it was not told of. */
export type TypeOf = (widgetId: string) => string | undefined;

/**
 * Checks and cleans, in place, what a page sent.
 * @param packet the event's name, the widget's id, and what it says
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

/** Which page was opened or left; the rest of it is the page's own business. */
function pageEvent(message: unknown): unknown {
  if (!isRecord(message)) return null;
  const { topic, payload } = message;
  if (typeof topic !== 'string' || !PAGE_TOPICS.has(topic)) return null;
  const page = isRecord(payload) && isRecord(payload['page']) ? payload['page'] : {};
  const id = page['id'];
  return { topic, payload: { page: typeof id === 'string' ? id.slice(0, 64) : '' } };
}

/** Whose page a socket is. */
export interface Reader {
  readonly socketId: string;
  readonly username: string;
  readonly isAdmin: boolean;
}

/**
 * Whether a message may be shown at a socket. The Dashboard sends what is for one page to all of
 * them, and replays it to later ones, where a flow's widget is not set to keep them apart. What says
 * who may know it, as the events do, is shown to nobody else.
 */
export function isFor(reader: Reader, args: readonly unknown[]): boolean {
  return args.every((argument) => {
    const messages: readonly unknown[] = Array.isArray(argument) ? argument : [argument];
    return messages.every((message) => {
      if (!isRecord(message)) return true;
      const client = message['_client'];
      const addressee = isRecord(client) ? client['socketId'] : undefined;
      if (addressee !== undefined && addressee !== reader.socketId) return false;
      // A table keeps rows of many messages under a message of its own.
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
