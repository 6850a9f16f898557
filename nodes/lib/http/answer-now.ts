import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import { giveBack } from './give-back.ts';

/** How long the rest of a refused body is read and thrown away (contract 1, Errors). */
const DISCARD_MS = 2_000;
const NO_CONTENT = 204;

/**
 * Writes an answer past Node-RED. When the request still has a body under way, the whole answer
 * goes out at once but the connection stays open while up to 2 s of the rest are thrown away, so
 * that a client that goes on sending reads the refusal instead of a reset. Then it is closed.
 */
export function answerNow(request: IncomingMessage, response: ServerResponse, given: Answer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const bodyWaits = !request.complete && hasBody(request);
  const isBare = given.statusCode === NO_CONTENT;
  const text = isBare ? '' : JSON.stringify(given.payload);
  response.writeHead(given.statusCode, {
    ...given.headers,
    ...(bodyWaits ? { Connection: 'close' } : {}),
    ...(isBare ? {} : bodyHeaders(text)),
  });
  if (!isBare && request.method !== 'HEAD') response.write(text);
  else response.flushHeaders();
  if (bodyWaits) discardRest(request, response);
  else response.end();
}

function bodyHeaders(text: string): Record<string, string | number> {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  };
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** Node closes the connection as soon as the answer ends, so the end waits for the body's. */
function discardRest(request: IncomingMessage, response: ServerResponse): void {
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  // A plain timer: it bounds what a stranger may send, whatever the rooms' clock does.
  const timer = setTimeout(finish, DISCARD_MS);
  timer.unref();
  request.once('end', finish);
  request.once('error', finish);
  response.once('close', () => {
    clearTimeout(timer);
  });
  request.on('data', (chunk: Buffer) => {
    if (request.listenerCount('data') === 1) giveBack(chunk);
  });
  request.resume();
}
