import type { RelistOutcome } from '../files/files.ts';
import type { NasDownload, NasRange } from '../nas/nas-client.ts';

/** One file on the NAS as one caller may fetch it. */
export interface Origin {
  open(range?: NasRange): Promise<NasDownload>;
  /** The file's present version; `force` wants one asked for after this call. */
  relist(force: boolean): Promise<RelistOutcome>;
}

/** Why the NAS gave no bytes. */
export type OriginFault =
  | { readonly kind: 'not_found' }
  | { readonly kind: 'token_refused' }
  | { readonly kind: 'nas_busy' }
  | { readonly kind: 'nas_bad_answer' }
  | { readonly kind: 'unreachable' }
  /** It is another version than the listing showed. */
  | { readonly kind: 'changed' };

/** Reads an answer that is no stream. 403 is how the NAS hides what a user may not see. */
export function faultOf(answer: Exclude<NasDownload, { kind: 'stream' }>): OriginFault {
  if (answer.kind === 'unreachable') return { kind: 'unreachable' };
  if (answer.status >= 500) return { kind: 'unreachable' };
  if (answer.kind === 'bad_answer') return { kind: 'nas_bad_answer' };
  switch (answer.status) {
    case 401:
      return { kind: 'token_refused' };
    case 403:
    case 404:
      return { kind: 'not_found' };
    case 416:
      return { kind: 'changed' };
    case 429:
      return { kind: 'nas_busy' };
    default:
      return { kind: 'nas_bad_answer' };
  }
}
