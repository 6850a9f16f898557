import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '../nodes/lib/http/http.ts';

/** How long the rest of a refused body is read and thrown away (contract 1, Errors). */
const DISCARD_MS = 2_000;
const NO_CONTENT = 204;

/**
 * Writes an answer without Node-RED. When the request still has a body under way, the connection is
 * closed behind the answer: a client that goes on sending gets 2 s to notice, so that it reads the
 * refusal instead of a reset.
 */
export function answerNow(request: IncomingMessage, response: ServerResponse, given: Answer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const bodyWaits = !request.complete && hasBody(request);
  const closing = bodyWaits ? { Connection: 'close' } : {};
  if (given.statusCode === NO_CONTENT) {
    response.writeHead(NO_CONTENT, { ...given.headers, ...closing });
    response.end();
  } else {
    const text = JSON.stringify(given.payload);
    response.writeHead(given.statusCode, {
      ...given.headers,
      ...closing,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  }
  if (bodyWaits) discardRest(request);
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

function discardRest(request: IncomingMessage): void {
  const { socket } = request;
  request.on('error', () => {
    socket.destroy();
  });
  request.resume();
  const timer = setTimeout(() => {
    socket.destroy();
  }, DISCARD_MS);
  timer.unref();
  request.once('end', () => {
    clearTimeout(timer);
    socket.end();
  });
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
