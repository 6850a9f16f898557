import { refuse } from '../http/http.ts';
import type { ApiMessage } from './call.ts';

/**
 * What a guard uses of Node-RED's own node. Its published types differ in detail from release to
 * release, so each method is named as narrowly as it can be met.
 */
export interface GuardedNode {
  on(event: 'input', listener: never): unknown;
  error(problem: unknown, message?: never): unknown;
  status(status: never): unknown;
}

/** Short words under a node in the editor (Node-RED's node status). */
export interface NodeStatus {
  readonly fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape?: 'ring' | 'dot';
  readonly text?: string;
}

const FAILED: NodeStatus = { fill: 'red', shape: 'ring', text: 'error' };

/** Shows a few words under a node. */
export function showStatus(node: GuardedNode, status: NodeStatus): void {
  node.status(status as never);
}

type Send = (message: unknown) => void;
type InputListener = (message: ApiMessage, send: Send, done: (error?: Error) => void) => void;

/** Handles one message. What it returns goes out; an array fills several outputs. */
export type Handler = (message: ApiMessage) => unknown;

/** How long a tab's Catch line may take before the guard answers in its place, in ms. */
const CATCH_GRACE_MS = 1_000;

/**
 * Registers `handler` so that whatever it throws or rejects with becomes a Catch message and, for
 * an API request that nobody else answers, an honest 500. Stock Node-RED ends the process on a
 * rejected async handler (measured on 4.1 and 5.0).
 */
export function guardInput(node: GuardedNode, handler: Handler): void {
  const onInput: InputListener = (message, send, done) => {
    run(handler, message).then(
      (out) => {
        if (out !== undefined && out !== null) send(out);
        done();
      },
      (problem: unknown) => {
        fail(node, problem, message, done);
      },
    );
  };
  node.on('input', onInput as never);
}

async function run(handler: Handler, message: ApiMessage): Promise<unknown> {
  return await handler(message);
}

function fail(
  node: GuardedNode,
  problem: unknown,
  message: ApiMessage,
  done: (error?: Error) => void,
): void {
  const error = asError(problem);
  showStatus(node, FAILED);
  // A Catch node keeps what it caught out of the log, and the answer promises that it was logged.
  node.error(error.stack ?? error.message);
  done(error);
  answerIfNobodyDoes(message);
}

/**
 * Wraps a callback of a timer, an event or a stream: what it throws becomes a Catch message of the
 * node instead of an uncaught exception.
 */
export function guardCallback<A extends unknown[]>(
  node: GuardedNode,
  callback: (...args: A) => unknown,
): (...args: A) => void {
  return (...args) => {
    runCallback(callback, args).catch((problem: unknown) => {
      showStatus(node, FAILED);
      node.error(asError(problem), {} as never);
    });
  };
}

async function runCallback<A extends unknown[]>(
  callback: (...args: A) => unknown,
  args: A,
): Promise<void> {
  await callback(...args);
}

function asError(problem: unknown): Error {
  return problem instanceof Error
    ? problem
    : new Error('A node failed without an error object.', { cause: problem });
}

function answerIfNobodyDoes(message: ApiMessage): void {
  const response = message.res?._res;
  if (response === undefined) return;
  // A plain timer: the grace is for the flow engine's own turn, not for anything the rooms time.
  setTimeout(() => {
    if (response.destroyed || response.writableEnded) return;
    if (response.headersSent) {
      // Half an answer is out; cutting it is honest, a clean end would not be.
      response.destroy();
      return;
    }
    const { statusCode, payload, headers } = refuse('failed');
    response.writeHead(statusCode, { ...headers, 'Content-Type': 'application/json' });
    response.end(JSON.stringify(payload));
  }, CATCH_GRACE_MS).unref();
}
