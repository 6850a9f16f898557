import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { AnswerPlan } from './answer-plan.ts';

/** One request, and whether the nginx it came through may send the bytes of its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly offload: boolean;
}

/** Where deploy/nginx.conf lets nginx find the blobs, and nobody else. */
const BLOBS_LOCATION = '/_balupi/blobs';

/** What nginx knows better, as it sends the bytes. */
const NGINX_SETS: readonly string[] = ['Content-Length', 'Content-Range'];

/** Conditions nginx would judge again, by a file whose time and tag are not the NAS's. */
const JUDGED_AGAIN = ['if-match', 'if-unmodified-since'] as const;

/**
 * Whether nginx can send exactly what was planned: the whole file, or the one range that it reads
 * from the request as well. All else, such as several ranges, is sent from here.
 */
export function nginxCanSend({ request, offload }: Exchange, plan: AnswerPlan): boolean {
  if (!offload || request.method !== 'GET' || plan.parts.length !== 1) return false;
  if (JUDGED_AGAIN.some((name) => request.headers[name] !== undefined)) return false;
  return plan.statusCode === 206 || request.headers.range === undefined;
}

/** Tells nginx which file to send (its `X-Accel-Redirect`), with all headers but its own. */
export function handToNginx(response: ServerResponse, plan: AnswerPlan, blob: string): void {
  const headers: OutgoingHttpHeaders = {
    'X-Accel-Redirect': `${BLOBS_LOCATION}/${blob.slice(0, 2)}/${blob}`,
  };
  for (const [name, value] of Object.entries(plan.headers)) {
    if (!NGINX_SETS.includes(name)) headers[name] = value;
  }
  // With a whole file nginx says it by itself, with a range it does not (measured on 1.22).
  if (plan.statusCode === 200) delete headers['Accept-Ranges'];
  response.writeHead(200, headers);
  response.end();
}
