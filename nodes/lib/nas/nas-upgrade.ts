import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../time/clock.ts';
import type { NasAgent } from './nas-agent.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';

/** What came of asking the NAS for a websocket. */
export type NasSocket =
  | {
      readonly kind: 'open';
      readonly headers: IncomingHttpHeaders;
      /** Frames as they go over the wire. Must be destroyed in the end. */
      readonly socket: Duplex;
      /** What came together with the head. */
      readonly first: Buffer;
    }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly cause: NasCallError };

/** Asks for a websocket over a connection of its own of that agent. */
export function openNasSocket(
  agent: NasAgent,
  path: string,
  headers: Readonly<Record<string, string>>,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<NasSocket> {
  const { promise, resolve } = Promise.withResolvers<NasSocket>();
  const asked = httpRequest({ agent, method: 'GET', path, headers });
  const stopTimer = clock.after(withinMs, () => asked.destroy(new NasCallError('timeout')));
  asked.once('upgrade', (answer, socket, first) => {
    resolve({ kind: 'open', headers: answer.headers, socket, first });
  });
  asked.once('response', (answer) => {
    answer.destroy();
    resolve({ kind: 'refused', status: answer.statusCode ?? 502 });
  });
  asked.on('error', (error) => {
    resolve({ kind: 'failed', cause: asNasCallError(error) });
  });
  asked.once('close', () => {
    resolve({ kind: 'failed', cause: new NasCallError('cut') });
  });
  asked.end();
  return promise.finally(stopTimer);
}
