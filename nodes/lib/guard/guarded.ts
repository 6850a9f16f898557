import type { ServerResponse } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { EntryTicket, QueuedFile } from '../cache/cache.ts';
import type { LocatedFile } from '../files/files.ts';
import { answerNow, type RefusalCode, refuse } from '../http/http.ts';
import { faultOf } from '../store/store.ts';
import type { ApiMessage, GuardedRequest } from './call.ts';

/**
 * The part of Node-RED's node that a guard uses. Its published types differ in detail from release
 * to release, so each method is typed as narrowly as possible.
 */
interface GuardedNode {
  on(event: 'input' | 'close', listener: never): unknown;
  error(problem: unknown, message?: never): unknown;
  status(status: never): unknown;
}

/** Short words under a node in the editor (Node-RED's node status). */
export interface NodeStatus {
  readonly fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape?: 'ring' | 'dot';
  readonly text?: string;
  /**
   * Instead of a text, a key of the node's locales: the editor says it in its reader's language, as
   * it does for Node-RED's own nodes. `count` stands in it as `__count__`.
   */
  readonly words?: string;
  readonly count?: number;
}

/** Handles one message. What it returns is sent; an array fills several outputs. */
export type Handler = (message: ApiMessage) => unknown;

type Send = (message: unknown) => void;
type Done = (error?: Error) => void;
type InputListener = (message: ApiMessage, send: Send, done: Done) => void;

const FAILED: NodeStatus = { fill: 'red', shape: 'ring', words: 'node-red:common.status.error' };
const NOTHING: NodeStatus = {};
/** The editor has space for fewer than 20 characters; the NAS's own words may be longer. */
const STATUS_CHARS = 19;
/** How long a tab's Catch line may take before the guard answers in its place, in ms. */
const CATCH_GRACE_MS = 1_000;
/** What the host sets for every answer; all other headers belong to the failed answer. */
const KEPT_HEADERS = new Set([
  'x-request-id',
  'x-content-type-options',
  'referrer-policy',
  'cache-control',
  'vary',
]);

/**
 * Stands between Node-RED and a node's handler. Whatever is thrown or rejected becomes a Catch
 * message and, for an API request that nobody else answers, an honest 500; stock Node-RED ends the
 * process on a rejected async handler (measured on 4.1 and 5.0).
 */
export class NodeGuard {
  readonly #node: GuardedNode;
  readonly #statusOf: () => NodeStatus;
  #closed = false;
  /**
   * The editor redraws at each status, so repeats are not sent. After a deploy it still shows what
   * the previous node with this id said.
   */
  #shown: string | null = null;

  /** @param statusOf what to show under the node, called after each message that succeeded */
  constructor(node: GuardedNode, statusOf: () => NodeStatus = () => NOTHING) {
    this.#node = node;
    this.#statusOf = statusOf;
  }

  /** Registers `handler` for the node's messages. */
  onInput(handler: Handler): void {
    const onInput: InputListener = (message, send, done) => {
      this.#handle(handler, message, send).then(
        () => {
          this.#show(this.#statusOf);
          done();
        },
        (problem: unknown) => {
          this.#fail(asError(problem), message, done);
        },
      );
    };
    const onClose = (): void => {
      this.#closed = true;
    };
    this.#node.on('input', onInput as never);
    this.#node.on('close', onClose as never);
    this.#showAtStart();
  }

  /**
   * Updates the status whenever what it shows changes, which also clears an error that is over.
   * @param subscribe gets the callback; returns how to unsubscribe
   */
  follow(subscribe: (again: () => void) => () => void): void {
    const again = (): void => {
      this.#show(this.#statusOf);
    };
    try {
      this.#node.on('close', subscribe(again) as never);
    } catch (error) {
      // A node without its config node: the first message will report that.
      if (!(error instanceof Error)) throw error;
    }
  }

  /**
   * Wraps a callback of a timer, an event or a stream: what it throws becomes a Catch message of
   * the node instead of an uncaught exception.
   */
  callback<A extends unknown[]>(callback: (...args: A) => unknown): (...args: A) => void {
    return (...args) => {
      call(callback, args).catch((problem: unknown) => {
        this.#show(() => FAILED);
        this.#node.error(asError(problem), {} as never);
      });
    };
  }

  async #handle(handler: Handler, message: ApiMessage, send: Send): Promise<void> {
    const holders = message.req?.call?.holders ?? { count: 0 };
    holders.count += 1;
    let out: unknown;
    try {
      out = await handler(message);
    } finally {
      holders.count -= 1;
    }
    if (out === undefined || out === null) return;
    if (this.#closed) answerPastClosedFlow(message, out);
    else send(out);
  }

  #fail(error: Error, message: ApiMessage, done: Done): void {
    const response = message.res?._res;
    this.#show(() => FAILED);
    // A Catch node keeps the error out of the log, but the answer promises that it was logged.
    this.#node.error(error.stack ?? error.message);
    if (response !== undefined) {
      if (!canAnswer(response)) leaveUnanswered(message, response);
      else {
        forgetAnswer(response);
        answerForDisk(error, message, response);
      }
    }
    done(error);
    if (response !== undefined) answerIfNobodyDoes(response);
  }

  /** A node whose config node is missing has no state to show yet. */
  #showAtStart(): void {
    let status = NOTHING;
    try {
      status = this.#statusOf();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    this.#show(() => status);
  }

  #show(statusOf: () => NodeStatus): void {
    try {
      const shown = asShown(statusOf());
      const key = JSON.stringify(shown);
      if (key !== this.#shown) this.#node.status(shown as never);
      this.#shown = key;
    } catch (problem) {
      // The message was handled; a failing status must not turn that into a failure.
      this.#node.error(asError(problem), {} as never);
    }
  }
}

async function call<A extends unknown[]>(
  callback: (...args: A) => unknown,
  args: A,
): Promise<void> {
  await callback(...args);
}

function asError(problem: unknown): Error {
  return problem instanceof Error
    ? problem
    : new Error(`A node failed without an error object: ${String(problem)}`, { cause: problem });
}

/** As Node-RED takes it: the key of words with its count behind a bar (resources/operations.js). */
function asShown({ words, count, text, ...look }: NodeStatus): object {
  if (words !== undefined) {
    return { ...look, text: count === undefined ? words : `${words}|${count}` };
  }
  return text === undefined ? look : { ...look, text: shortened(text) };
}

function shortened(text: string): string {
  return text.length > STATUS_CHARS ? `${text.slice(0, STATUS_CHARS - 1)}…` : text;
}

/**
 * A deploy closed the flow while the node was working, so its wires lead nowhere. A finished answer
 * is sent all the same, such as that of an upload that is safe by now; a message with further steps
 * ahead is told to retry.
 */
function answerPastClosedFlow(message: ApiMessage, out: unknown): void {
  const response = message.res?._res;
  if (response === undefined || message.req === undefined || !canAnswer(response)) return;
  const { statusCode, payload, headers = {} } = message;
  const isOut = out === message || (Array.isArray(out) && out.includes(message));
  const isAnswer = isOut && statusCode !== undefined;
  const given = isAnswer ? { statusCode, payload, headers } : refuse('restarting');
  answerNow(message.req, response, given);
}

function canAnswer(response: ServerResponse): boolean {
  return !response.headersSent && !response.destroyed && !response.writableEnded;
}

/** Content-Length or file name of the failed answer would break the 500. */
function forgetAnswer(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) {
    if (!KEPT_HEADERS.has(name) && !name.startsWith('access-control-')) response.removeHeader(name);
  }
}

/**
 * Half an answer is out, or the caller is gone. Cutting the connection is honest, a clean end would
 * not be; and the Catch line must not answer, as that would fail and be caught again.
 */
function leaveUnanswered(message: ApiMessage, response: ServerResponse): void {
  delete message.res;
  if (!response.writableEnded) response.destroy();
}

/** Disk refusals have a sentence of their own; the Catch line has none to add. */
function answerForDisk(error: Error, message: ApiMessage, response: ServerResponse): void {
  const fault = faultOf(error);
  if (fault === null || message.req === undefined) return;
  answerNow(message.req, response, refuse(fault === 'full' ? 'no_room' : 'disk_failing'));
  delete message.res;
}

function answerIfNobodyDoes(response: ServerResponse): void {
  // A plain timer: the grace is for the flow engine's own turn, not for anything the services time.
  setTimeout(() => {
    if (!canAnswer(response)) return;
    const { statusCode, payload, headers } = refuse('failed');
    const text = JSON.stringify(payload);
    response.writeHead(statusCode, {
      ...headers,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(text);
  }, CATCH_GRACE_MS).unref();
}

/** The part of an endpoint's description that tells who may use it. */
interface Wanted {
  readonly access: 'open' | 'caller' | 'caller_or_loopback' | 'admin' | 'wake';
  readonly wakeScope: boolean;
}

/**
 * Whether a caller's role suffices: the one rule for the API and for the pages.
 * @param mayWake as the accounts know it
 * @returns null, or how to refuse
 */
export function roleFault(
  caller: Caller,
  wanted: Wanted,
  mayWake: (caller: Caller) => boolean,
): RefusalCode | null {
  if (caller.scope === 'wake' && !wanted.wakeScope) return 'not_allowed';
  if (wanted.access === 'admin' && caller.user.role !== 'admin') return 'admin_only';
  if (wanted.access === 'wake' && caller.user.role !== 'admin' && !mayWake(caller)) {
    return 'not_allowed';
  }
  return null;
}

/** What a download message carries between nodes: tickets, never bytes. */
type FileTicket =
  | { readonly kind: 'copy'; readonly ticket: EntryTicket }
  | { readonly kind: 'queued'; readonly path: string; readonly file: QueuedFile }
  /** It left the queue for the NAS between the lookup and the read. */
  | { readonly kind: 'delivered'; readonly path: string }
  | { readonly kind: 'missing'; readonly file: LocatedFile };

export interface FileMessage extends ApiMessage {
  file?: FileTicket;
}

/**
 * The raw request of a message, for nodes that stream.
 * @throws Error when the message did not come from an `http in` node
 */
export function requestOf(message: ApiMessage): GuardedRequest {
  if (message.req === undefined) {
    throw new Error('This message came from no API request; wire the node behind an http in node.');
  }
  return message.req;
}
