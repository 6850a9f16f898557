import type { NasDownload, NasJson, NasListing } from '../nas/nas-client.ts';

/** Why a step of the delivery could not be done. */
export type Interruption =
  /** The NAS is gone; what the last call did is unknown. */
  | { readonly kind: 'gone' }
  /** The NAS, or its proxy, wants to be left alone for a while. */
  | { readonly kind: 'busy'; readonly status: number; readonly retryAfterMs: number | null }
  /** It failed on this upload, maybe not for good. */
  | { readonly kind: 'trouble'; readonly detail: string }
  /** The NAS has no room (507): nothing will go through for a while. */
  | { readonly kind: 'nas_full' }
  /** It does not know this token any more. */
  | { readonly kind: 'credential_refused' }
  /** It said no, and will say so again. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly detail: string;
      /** Its folder is not the user's, as far as the NAS knows; that may change. */
      readonly needsFolder?: true;
    };

const MISSING_SPEED = [429, 502, 503, 504];
const MOST_DETAIL = 200;

/**
 * Sorts an answer of the NAS by what it means for the queue. Its proxy answers 429 and 503 with
 * HTML pages (docs/NAS.md), which arrive as `bad_answer`.
 * @returns null where the call succeeded
 */
export function interruptionOf(answered: NasJson | NasListing | NasDownload): Interruption | null {
  switch (answered.kind) {
    case 'unreachable':
      return { kind: 'gone' };
    case 'listing':
    case 'stream':
      return null;
    case 'answer':
      return answered.status < 300 ? null : byStatus(answered.status, answered.body);
    case 'refused':
      return byStatus(answered.status, null);
    case 'bad_answer':
      return answered.status < 400
        ? { kind: 'busy', status: answered.status, retryAfterMs: null }
        : byStatus(answered.status, null);
  }
}

function byStatus(status: number, body: unknown): Interruption {
  if (status === 401) return { kind: 'credential_refused' };
  if (status === 507) return { kind: 'nas_full' };
  if (MISSING_SPEED.includes(status)) {
    const seconds = fieldOf(body, 'retry_after');
    const retryAfterMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : null;
    return { kind: 'busy', status, retryAfterMs };
  }
  const detail = detailOf(body);
  if (status === 408 || status >= 500) {
    return { kind: 'trouble', detail: `The NAS answered ${status}${detail}.` };
  }
  return { kind: 'refused', status, detail: `The NAS refused it with ${status}${detail}.` };
}

function detailOf(body: unknown): string {
  const detail = fieldOf(body, 'detail');
  return typeof detail === 'string' && detail !== '' ? `: ${detail.slice(0, MOST_DETAIL)}` : '';
}

/** A field of a JSON object; undefined where there is none. */
export function fieldOf(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null) return undefined;
  return (body as Readonly<Record<string, unknown>>)[name];
}
