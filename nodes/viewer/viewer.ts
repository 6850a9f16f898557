import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Endpoint, ENDPOINTS } from '../lib/api/api.ts';
import { type Act, named } from '../lib/guard/acts.ts';
import { type ApiMessage, type GuardedRequest, withAnswer } from '../lib/guard/call.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { NOTHING_GIVEN } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { type Asked, type Asker, callAs, type Change, changesOf } from '../lib/viewers/viewers.ts';
import { type Language, WORDS } from '../lib/words/words.ts';

interface ViewerConfig extends NodeDef {
  readonly op: string;
  readonly store: string;
  /** For `ask`: the id of the endpoint whose rule and form apply. */
  readonly endpoint: string;
  /** For `answer`: what the page says when it went well. */
  readonly done?: string;
}

/** A message from or for one page. */
interface PageMessage extends ApiMessage {
  /** Set by the Dashboard, from the socket. */
  _client?: { readonly socketId?: unknown };
  /** How the page calls its question; it comes back with the answer. */
  readonly action?: unknown;
  /** Of a page that will ask the same again: under which name it has an answer; empty: none yet. */
  known?: string;
  /** From that answer to this one, in place of the payload. */
  changes?: readonly Change[];
  /** What a page says about an answer; empty where there is nothing to say. */
  text?: string;
  ok?: boolean;
}

function askerOf({ viewers }: Rooms, message: PageMessage): Asker | null {
  return viewers.askerAt(message._client?.socketId);
}

/**
 * Lets a page's wish on as the call that it would be over the API.
 * @throws Error for a node set to an endpoint that is none
 */
function ask(rooms: Rooms, message: PageMessage, endpointId: string): unknown {
  const endpoint = (ENDPOINTS as readonly Endpoint[]).find(({ id }) => id === endpointId);
  if (endpoint === undefined) throw new Error(`There is no endpoint '${endpointId}'.`);
  const asker = askerOf(rooms, message);
  // The page is gone, or its sign-in is over: there is nobody to say no to.
  if (asker === null) return null;
  const { payload } = message;
  const asked: Asked & { readonly known?: unknown } =
    typeof payload === 'object' && payload !== null ? payload : {};
  if (typeof asked.known === 'string') message.known = asked.known;
  const outcome = callAs(asker, endpoint, asked, (caller) => rooms.accounts.mayWake(caller));
  if (outcome.kind === 'refused') return [null, withAnswer(message, outcome.answer)];
  message.req = { call: outcome.call, headers: {} } as GuardedRequest;
  return [message, null];
}

/**
 * Makes an API answer one for the page that asked, and for no other.
 * @param by this node, as a page asks many
 */
function answer(rooms: Rooms, message: PageMessage, by: string, done = ''): PageMessage | null {
  const asker = askerOf(rooms, message);
  if (asker === null) return null;
  const { language } = asker;
  const ok = (message.statusCode ?? 200) < 400;
  message.ok = ok;
  message.text = ok ? WORDS.text(language, done) : WORDS.told(language, detailOf(message.payload));
  if (ok) {
    message.payload = withDetailsIn(language, message.payload);
    tellChanges(rooms, message, by);
  }
  delete message.req;
  delete message.headers;
  return message;
}

/** To a page that has an answer to the same question goes what is other now. */
function tellChanges({ viewers }: Rooms, message: PageMessage, by: string): void {
  const { known, action, payload, _client: client } = message;
  delete message.known;
  if (known === undefined || typeof action !== 'string') return;
  const answered = { name: action, value: payload };
  const before = viewers.exchange(String(client?.socketId), by, known, answered);
  if (before === undefined) return;
  message.changes = changesOf(before, payload);
  delete message.payload;
}

function detailOf(payload: unknown): string {
  const { detail } = (payload ?? {}) as { readonly detail?: unknown };
  if (typeof detail === 'string') return detail;
  const { message } = (detail ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** Why each upload, conflict or entry of a list is where it is, for its reader. */
function withDetailsIn(language: Language, payload: unknown): unknown {
  const lists = (payload ?? {}) as Readonly<Record<string, unknown>>;
  for (const name of ['uploads', 'conflicts', 'entries']) {
    const list = lists[name];
    if (!Array.isArray(list)) continue;
    const rows = (list as readonly { readonly detail?: unknown }[]).map((row) =>
      typeof row.detail === 'string' ? { ...row, detail: WORDS.told(language, row.detail) } : row,
    );
    return { ...lists, [name]: rows };
  }
  return payload;
}

/** Tells a page who has it open. */
function who(rooms: Rooms, message: PageMessage): PageMessage | null {
  const asker = askerOf(rooms, message);
  if (asker === null) return null;
  const { caller, language } = asker;
  message.payload = {
    username: caller.user.username,
    is_admin: rooms.accounts.isAdmin(caller),
    may_wake: rooms.accounts.mayWake(caller),
    language,
  };
  return message;
}

function look({ viewers }: Rooms, message: PageMessage): PageMessage | null {
  return viewers.count > 0 ? message : null;
}

function actsOf(config: ViewerConfig): Readonly<Record<string, Act<Rooms>>> {
  return {
    ask: (rooms, message) => ask(rooms, message, config.endpoint),
    answer: (rooms, message) => answer(rooms, message, config.id, config.done),
    who,
    look,
  };
}

function statusOf({ viewers }: Rooms): NodeStatus {
  const { count } = viewers;
  return { fill: count > 0 ? 'green' : 'grey', shape: 'dot', text: String(count) };
}

/** Node `balupi-viewer`. */
export default function register(RED: NodeAPI): void {
  function ViewerNode(this: Node, config: ViewerConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.store));
    const guard = new NodeGuard(this, () => (config.op === 'look' ? statusOf(rooms()) : {}));
    const acts = actsOf(config);
    // Whose page it is tells the socket, not the request a message may carry.
    guard.onInput((message) => named(acts, config.op)(rooms(), message, NOTHING_GIVEN));
  }
  RED.nodes.registerType('balupi-viewer', ViewerNode);
}
