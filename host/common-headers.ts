import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';

const HEADER = 'X-Request-Id';

/** What every answer of the API carries, whoever gives it in the end. */
export function setCommonHeaders(response: ServerResponse): void {
  response.setHeader(HEADER, randomUUID());
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cache-Control', 'no-store');
}

export function requestIdOf(response: ServerResponse): string {
  return String(response.getHeader(HEADER));
}
