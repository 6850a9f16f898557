import type { ApiMessage } from '../lib/guard/call.ts';
import { callOf } from '../lib/guard/call.ts';

/**
 * The words a download was asked with, undecoded: what follows `/download/`, or the query's `path`.
 * The files room decodes them itself, as names with a bare `%` or `+` have two readings.
 */
export function rawReference(message: ApiMessage): string {
  const { rest } = callOf(message);
  if (rest !== null) return rest;
  const query = (message.req?.url ?? '').split('?').slice(1).join('?');
  const pair = query.split('&').find((part) => part.startsWith('path='));
  return pair?.slice('path='.length) ?? '';
}
