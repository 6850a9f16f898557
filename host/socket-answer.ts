import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Answer } from '../nodes/lib/http/http.ts';
import { commonHeaders } from './common-headers.ts';

/** Answers where Node has no response for it any more, or never had one, and ends the connection. */
export function endWith(socket: Socket, { statusCode, payload, headers }: Answer): void {
  const text = JSON.stringify(payload);
  const all = {
    ...commonHeaders(),
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
    Connection: 'close',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const start = `HTTP/1.1 ${String(statusCode)} ${STATUS_CODES[statusCode] ?? 'No'}`;
  socket.end([start, ...lines, '', text].join('\r\n'));
}
