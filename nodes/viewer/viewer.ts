import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Endpoint, ENDPOINTS } from '../lib/api/api.ts';
import {
  type ApiMessage,
  type Declared,
  type GuardedRequest,
  named,
  NodeGuard,
  type NodeStatus,
  operationsOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { NOTHING_GIVEN } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
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
  /** The page's id of its question, returned with the answer. */
  readonly action?: unknown;
  /** For repeated questions: the name of the answer the page has; empty: none yet. */
  known?: string;
  /** The difference to that answer, in place of the payload. */
  changes?: readonly Change[];
  /** What a page says about an answer; empty where there is nothing to say. */
  text?: string;
  ok?: boolean;
}

/** The services, and how one node of this kind is set. */
interface Viewing {
  readonly services: Services;
  readonly config: ViewerConfig;
}

function askerOf({ viewers }: Services, message: PageMessage): Asker | null {
  return viewers.askerAt(message._client?.socketId);
}

/**
 * Turns a page's request into the corresponding API call.
 * @throws Error for a node set to an endpoint that does not exist
 */
function ask({ services, config }: Viewing, message: PageMessage): unknown {
  const endpoint = (ENDPOINTS as readonly Endpoint[]).find(({ id }) => id === config.endpoint);
  if (endpoint === undefined) throw new Error(`There is no endpoint '${config.endpoint}'.`);
  const asker = askerOf(services, message);
  // The page is gone, or its sign-in has ended: nobody is left to answer.
  if (asker === null) return null;
  const { payload } = message;
  const asked: Asked & { readonly known?: unknown } =
    typeof payload === 'object' && payload !== null ? payload : {};
  if (typeof asked.known === 'string') message.known = asked.known;
  const outcome = callAs(asker, endpoint, asked, (caller) => services.accounts.mayWake(caller));
  if (outcome.kind === 'refused') return [null, withAnswer(message, outcome.answer)];
  message.req = { call: outcome.call, headers: {} } as GuardedRequest;
  return [message, null];
}

/** Makes an API answer one for the page that asked, and for no other. */
function answer({ services, config }: Viewing, message: PageMessage): PageMessage | null {
  const asker = askerOf(services, message);
  if (asker === null) return null;
  const { language } = asker;
  const ok = (message.statusCode ?? 200) < 400;
  message.ok = ok;
  message.text = ok
    ? WORDS.text(language, config.done ?? '')
    : WORDS.told(language, detailOf(message.payload));
  if (ok) {
    message.payload = withDetailsIn(language, message.payload);
    tellChanges(services, message, config.id);
  }
  delete message.req;
  delete message.headers;
  return message;
}

/**
 * Sends only the difference to a page that has an answer to the same question.
 * @param by the id of this node, as a page asks many
 */
function tellChanges({ viewers }: Services, message: PageMessage, by: string): void {
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

/** Tells the reader the reason for the state of each upload, conflict or entry of a list. */
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
function who({ services }: Viewing, message: PageMessage): PageMessage | null {
  const asker = askerOf(services, message);
  if (asker === null) return null;
  const { caller, language } = asker;
  message.payload = {
    username: caller.user.username,
    is_admin: services.accounts.isAdmin(caller),
    may_wake: services.accounts.mayWake(caller),
    language,
  };
  return message;
}

function look({ services }: Viewing, message: PageMessage): PageMessage | null {
  return services.viewers.count > 0 ? message : null;
}

function statusOf({ viewers }: Services): NodeStatus {
  const { count } = viewers;
  return { fill: count > 0 ? 'green' : 'grey', shape: 'dot', text: String(count) };
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'viewer',
  type: 'balupi-viewer',
  color: '#c9b8e8',
  config: 'store',
  title: { en: 'viewer', de: 'Betrachter' },
  about: {
    en: 'Stands between a page of the Dashboard and what it may do. Who a message comes from is looked up by its socket and never read from the message, as a page can send whatever it likes.',
    de: 'Steht zwischen einer Seite des Dashboards und dem, was sie darf. Von wem eine Nachricht kommt, wird an ihrer Verbindung nachgesehen und nie aus der Nachricht gelesen, denn eine Seite kann senden, was sie will.',
  },
  operations: {
    ask: {
      words: { en: 'ask as the viewer', de: 'als Betrachter fragen' },
      for: 'flow',
      outputs: [
        { en: 'allowed', de: 'erlaubt' },
        { en: 'refused', de: 'abgelehnt' },
      ],
      run: ask,
    },
    answer: {
      words: { en: 'answer the viewer', de: 'dem Betrachter antworten' },
      for: 'flow',
      run: answer,
    },
    who: {
      words: { en: 'say who looks', de: 'sagen, wer schaut' },
      for: 'flow',
      run: who,
    },
    look: {
      words: { en: 'only while somebody looks', de: 'nur solange jemand schaut' },
      for: 'flow',
      run: look,
    },
  },
  settings: {
    endpoint: { label: { en: 'As endpoint', de: 'Wie Endpunkt' }, for: ['ask'] },
    done: { label: { en: 'Says then', de: 'Sagt danach' }, for: ['answer'] },
  },
  gives: [
    {
      name: 'payload',
      type: 'object',
      en: 'for a page',
      de: 'für eine Seite',
    },
    {
      name: 'ok',
      type: 'boolean',
      en: 'whether it went well',
      de: 'ob es gut ging',
    },
    {
      name: 'changes',
      type: 'object',
      en: 'from the answer that a page has to this one',
      de: 'von der Antwort, die eine Seite hat, zu dieser',
    },
    {
      name: 'text',
      type: 'string',
      en: 'what to say about it',
      de: 'was dazu zu sagen ist',
    },
  ],
  details: {
    en: `{{ask}} turns a request of the page into the call that it would be over the API, after the same check of role and form. *As endpoint* names the endpoint, such as \`tapo-devices-toggle\`. \`payload\` holds \`params\`, \`query\` and \`body\` as that endpoint takes them. The second output gets refusals.

{{answer}} sends an operation's answer to the page that asked, and to no other. \`ok\` tells whether it went well; \`text\` is the text of *Says then*, or the reason why not. A page that asks the same again puts \`known\`, the \`action\` of the answer it has, into its \`payload\`; where that was the last one, \`changes\` (JSON Patch, RFC 6902) stand in place of the \`payload\`.

{{who}} puts \`username\`, \`is_admin\`, \`may_wake\` and \`language\` into \`payload\`.

{{look}} lets messages through while a page is open, so that a Pi does not work for nobody.

Words in double brackets, such as \`[[energy]]\`, are keys of the catalogues and shown in the reader's language.`,
    de: `{{ask}} macht aus einer Anfrage der Seite den Aufruf, der sie über die API wäre, nach derselben Prüfung von Rolle und Form. *Wie Endpunkt* nennt den Endpunkt, etwa \`tapo-devices-toggle\`. \`payload\` enthält \`params\`, \`query\` und \`body\`, wie der Endpunkt sie nimmt. Der zweite Ausgang bekommt Ablehnungen.

{{answer}} macht aus der Antwort eine für die Seite, die gefragt hat, und für keine andere. \`ok\` sagt, ob es gelang; \`text\` ist, was in *Sagt danach* steht, oder der Grund. Eine Seite, die dasselbe wieder fragt, legt \`known\`, die \`action\` der Antwort, die sie hat, in ihre \`payload\`; war das die letzte, stehen \`changes\` (JSON Patch, RFC 6902) statt der \`payload\` da.

{{who}} legt \`username\`, \`is_admin\`, \`may_wake\` und \`language\` in \`payload\`.

{{look}} lässt Nachrichten durch, solange eine Seite offen ist, damit ein Pi nicht für niemanden rechnet.

Wörter in doppelten Klammern, etwa \`[[energy]]\`, sind Schlüssel der Kataloge und erscheinen in der Sprache des Lesers.`,
  },
} as const satisfies Declared<Viewing>;

const OPERATIONS = operationsOf<Viewing>(DECLARATION);

/** Node `balupi-viewer`. */
export default function register(RED: NodeAPI): void {
  function ViewerNode(this: Node, config: ViewerConfig): void {
    RED.nodes.createNode(this, config);
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.store));
    const guard = new NodeGuard(this, () => (config.op === 'look' ? statusOf(services()) : {}));
    // The socket tells whose page it is, not the request a message may carry.
    guard.onInput((message) => {
      const viewing = { services: services(), config };
      return named(OPERATIONS, config.op).run(viewing, message, NOTHING_GIVEN);
    });
  }
  RED.nodes.registerType('balupi-viewer', ViewerNode);
}
