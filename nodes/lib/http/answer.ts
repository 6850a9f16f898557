import { REFUSALS, type RefusalCode } from './refusals.ts';

/** A JSON answer ready for Node-RED's `http response` node, or for a plain `ServerResponse`. */
export interface Answer {
  readonly statusCode: number;
  readonly payload: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

export interface RefusalDetails {
  /** Replaces the table's sentence. One English sentence a person can act on. */
  readonly detail?: string;
  /** Adds `Retry-After` (whole seconds) and, for 429, `retry_after` in the body. */
  readonly retryAfterSeconds?: number;
  /** Gives 503 and 504 the object form of `detail` that the apps read (contract 1, Errors). */
  readonly sleep?: { readonly sleepState: string; readonly nextWakeAt: string | null };
  /** The place of each fault, for 422. */
  readonly errors?: readonly unknown[];
}

/** What a sleeping NAS's caller is told to wait when nothing better is known, in seconds. */
const DEFAULT_RETRY_SECONDS = 30;

export function answer(
  payload: unknown,
  statusCode = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { statusCode, payload, headers };
}

/** Says no in the contract's shape. */
export function refuse(code: RefusalCode, details: RefusalDetails = {}): Answer {
  const { status, detail: sentence } = REFUSALS[code];
  const message = details.detail ?? sentence;
  const retrySeconds = retryAfter(code, details);
  const payload = {
    detail:
      details.sleep === undefined ? message : sleepDetail(message, details.sleep, retrySeconds),
    code,
    ...(details.errors === undefined ? {} : { errors: details.errors }),
    ...(status === 429 ? { retry_after: retrySeconds } : {}),
  };
  const headers: Record<string, string> =
    retrySeconds === undefined ? {} : { 'Retry-After': String(retrySeconds) };
  return { statusCode: status, payload, headers };
}

function retryAfter(code: RefusalCode, details: RefusalDetails): number | undefined {
  if (details.retryAfterSeconds !== undefined) {
    return Math.max(1, Math.ceil(details.retryAfterSeconds));
  }
  const { status } = REFUSALS[code];
  const isPassing = status === 429 || status === 503;
  const wantsOne = isPassing || details.sleep !== undefined;
  return wantsOne ? DEFAULT_RETRY_SECONDS : undefined;
}

function sleepDetail(
  message: string,
  sleep: { readonly sleepState: string; readonly nextWakeAt: string | null },
  retrySeconds: number | undefined,
): Record<string, unknown> {
  return {
    message,
    sleep_state: sleep.sleepState,
    next_wake_at: sleep.nextWakeAt,
    retry_after_seconds: retrySeconds ?? DEFAULT_RETRY_SECONDS,
  };
}
