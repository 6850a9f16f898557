import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';

const HEADER = 'X-Request-Id';

/** What every answer of the API carries, whoever gives it in the end. */
export function commonHeaders(): Readonly<Record<string, string>> {
  return {
    [HEADER]: randomUUID(),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  };
}

export function setCommonHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(commonHeaders())) response.setHeader(name, value);
}

export function requestIdOf(response: ServerResponse): string {
  return String(response.getHeader(HEADER));
}
