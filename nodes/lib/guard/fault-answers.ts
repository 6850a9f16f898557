import { type Answer, plainAnswer, refuse, type RefusalCode } from '../http/http.ts';

/** Why a service could not do on the NAS what a caller wanted. */
export type NasTrouble =
  | { readonly kind: 'bad_path'; readonly reason: string }
  | {
      readonly kind:
        | 'not_found'
        /** It sleeps, or went away in the middle of the question. */
        | 'asleep'
        | 'unreachable'
        | 'needs_nas_token'
        | 'token_refused'
        | 'nas_busy'
        | 'nas_bad_answer'
        | 'storage_missing';
    };

/** What refusals say while the NAS sleeps (contract 1). */
export interface SleepView {
  readonly everSeen: boolean;
  readonly sleepState: string;
  readonly nextWakeAt: string | null;
}

/** The one table from what went wrong between a caller and the NAS to an HTTP answer. */
export function troubleAnswer(trouble: NasTrouble, nas: SleepView): Answer {
  switch (trouble.kind) {
    case 'bad_path':
      return refuse('bad_path', { detail: trouble.reason });
    case 'not_found':
      return refuse('not_found');
    case 'asleep':
    case 'unreachable':
      return asleepAnswer(nas);
    case 'needs_nas_token':
      return refuse('refresh_token_now');
    case 'token_refused':
      return refuse('bad_token');
    case 'nas_busy':
      return refuse('nas_busy', { retryAfterSeconds: 60 });
    case 'nas_bad_answer':
      return refuse('nas_bad_answer');
    case 'storage_missing':
      return refuse('nas_storage_missing', { retryAfterSeconds: 60 });
  }
}

/** 503 in the object form the apps read. */
export function asleepAnswer(nas: SleepView, retryAfterSeconds?: number): Answer {
  const { sleepState, nextWakeAt } = nas;
  return refuse(nas.everSeen ? 'nas_asleep' : 'nas_never_seen', {
    sleep: { sleepState, nextWakeAt },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

const CODE_OF_STATUS: Readonly<Record<number, RefusalCode>> = {
  400: 'malformed',
  401: 'bad_token',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'too_large',
  415: 'wrong_body_type',
  416: 'range_not_satisfiable',
  422: 'invalid',
  429: 'nas_busy',
  507: 'no_room',
};

/**
 * A refusal of the NAS passed on to the caller: with a code where it had none, otherwise unchanged
 * (contract 1).
 * @param denied what a 401 means there
 */
export function nasRefusal(status: number, body: unknown, denied: RefusalCode): Answer {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return plainAnswer(body, status);
  if ('code' in body && typeof body.code === 'string') return plainAnswer(body, status);
  return plainAnswer({ ...body, code: nasCode(status, denied) }, status);
}

/** A refusal of the NAS that has no words of its own: none at all, or a page of its proxy. */
export function wordlessRefusal(status: number): Answer {
  const code = nasCode(status, 'bad_token');
  const { payload, headers } = refuse(code);
  return plainAnswer(payload, status, headers);
}

function nasCode(status: number, denied: RefusalCode): RefusalCode {
  if (status === 401) return denied;
  return CODE_OF_STATUS[status] ?? (status >= 500 ? 'nas_failed' : 'not_allowed');
}
