import { asRecord, type NasDownload, type NasJson, type NasListing } from './nas-client.ts';

/**
 * Why the NAS did not do what it was asked, sorted once for all callers. Each caller decides what
 * follows, over all kinds, so that a new kind does not compile until every caller handles it.
 */
export type NasFailure =
  /** No answer, or an incomplete one. What the NAS did is unknown. */
  { readonly kind: 'unreachable'; readonly cause: Error } | NasRefusal;

export interface NasRefusal {
  readonly kind: RefusalKind;
  readonly status: number;
  /** The NAS's own words, as they came; null where it has none, as on a page of its proxy. */
  readonly detail: string | null;
  /** How long a pause the NAS asks for, 1 s to 1 h; null where it does not say. */
  readonly retryAfterMs: number | null;
}

type RefusalKind =
  /** Not understood: a redirect, or a page or nothing at all where JSON was expected. */
  | 'bad_answer'
  /** 502, 504: its proxy finds no NAS behind it. */
  | 'gateway'
  /** 503, also as a page of its proxy. */
  | 'unavailable'
  /** 429, also as a page of its proxy: it was asked too often. */
  | 'throttled'
  /** Any other 5xx. */
  | 'failing'
  /** 507: it has no space left. */
  | 'full'
  /** 401: it does not know this token any more. */
  | 'token_refused'
  /** 403: not for this user or, for a file, hidden from them. */
  | 'forbidden'
  /** 404. */
  | 'not_found'
  /** 416: the file has no such bytes. */
  | 'bad_range'
  /** 408, 425: not now. */
  | 'not_now'
  /** Any other 4xx: it refused, and will refuse again. */
  | 'refused';

const KIND_OF_STATUS: Readonly<Record<number, RefusalKind>> = {
  401: 'token_refused',
  403: 'forbidden',
  404: 'not_found',
  408: 'not_now',
  416: 'bad_range',
  425: 'not_now',
  429: 'throttled',
  502: 'gateway',
  503: 'unavailable',
  504: 'gateway',
  507: 'full',
};

/**
 * Sorts the outcome of a call. A page is only believed where its proxy sends one (429 and 5xx,
 * docs/NAS.md); any other is `bad_answer`, whatever its status.
 * @returns null where the NAS did it and said so
 */
export function failureOf(answer: Unread): NasFailure;
export function failureOf(answer: NasJson | NasListing | NasDownload): NasFailure | null;
export function failureOf(answer: NasJson | NasListing | NasDownload): NasFailure | null {
  switch (answer.kind) {
    case 'listing':
    case 'stream':
      return null;
    case 'unreachable':
      return answer;
    case 'answer':
      return failureOfStatus(answer.status, answer.body);
    case 'refused':
      return failureOfStatus(answer.status) ?? refusal('bad_answer', answer.status);
    case 'bad_answer': {
      const { status } = answer;
      const isOfProxy = status === 429 || status >= 500;
      return (isOfProxy ? failureOfStatus(status) : null) ?? refusal('bad_answer', status);
    }
  }
}

type Unread = Exclude<NasListing, { kind: 'listing' }> | Exclude<NasDownload, { kind: 'stream' }>;

/**
 * As {@link failureOf}, for an answer judged by its status whatever came with it.
 * @param body the JSON that came with it
 * @returns null below 300
 */
export function failureOfStatus(status: number, body?: unknown): NasRefusal | null {
  if (status < 300) return null;
  if (status < 400) return refusal('bad_answer', status);
  return refusal(KIND_OF_STATUS[status] ?? (status < 500 ? 'refused' : 'failing'), status, body);
}

/**
 * The longest backoff of the queue (contract 4); requests for a longer pause are not taken
 * literally.
 */
const LONGEST_WAIT_SECONDS = 3_600;

function refusal(kind: RefusalKind, status: number, body?: unknown): NasRefusal {
  const { detail, retry_after: seconds } = asRecord(body) ?? {};
  const isWait = typeof seconds === 'number' && seconds >= 1 && seconds <= LONGEST_WAIT_SECONDS;
  return {
    ...{ kind, status },
    detail: typeof detail === 'string' && detail !== '' ? detail : null,
    retryAfterMs: isWait ? seconds * 1_000 : null,
  };
}

/** Whether the NAS did what it was asked and said so in JSON. */
export function isGood(answer: NasJson): answer is Extract<NasJson, { kind: 'answer' }> {
  return answer.kind === 'answer' && failureOf(answer) === null;
}

/** The body of a good answer; undefined for any other. */
export function goodBodyOf(answer: NasJson): unknown {
  return isGood(answer) ? answer.body : undefined;
}

/**
 * Whether it only means that the NAS could not be asked (contract 2), so that what is kept still
 * counts. A refusal is an answer, and so is none at all.
 */
export function isCannotAsk(failure: NasFailure | null): boolean {
  if (failure === null) return false;
  return isInDoubt(failure) || failure.kind === 'bad_answer' || failure.kind === 'throttled';
}

/** Whether the NAS may still have done it: it was silent, or failed in the middle. */
export function isInDoubt(failure: NasFailure): boolean {
  return failure.kind === 'unreachable' || failure.status >= 500;
}

/** Whether what signs in, a password or a token, is refused: there a 403 says so as a 401 does. */
export function isSignInRefused(
  failure: NasFailure | null,
): failure is NasRefusal & { readonly kind: 'token_refused' | 'forbidden' } {
  return failure?.kind === 'token_refused' || failure?.kind === 'forbidden';
}
