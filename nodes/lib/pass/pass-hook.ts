import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { Answer } from '../http/http.ts';

/** A request below `/api` that neither BaluPi nor a tinkerer's flow answers. */
export interface PassRequest {
  /** As sent, upper case. `HEAD` goes to the NAS as `GET`. */
  readonly method: string;
  /** Decoded, without the `api` before them; a file's own path is among them. */
  readonly segments: readonly string[];
  /** The file's path where the address ends in one, as `alice/a.jpg`; else null. */
  readonly filePath: string | null;
  /** Of several equal ones the NAS takes the last. */
  readonly query: URLSearchParams;
  readonly caller: Caller;
  /** The caller sent `X-Sync-Trigger: auto`. */
  readonly auto: boolean;
  /** Where a hook wanted it: the JSON that was sent; undefined where it is none. */
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly signal: AbortSignal;
}

/** How a request that a hook let go ended on the NAS. */
export type PassResult =
  /** `body`: where a hook reads the answer and it is JSON of at most 1 MB; else undefined. */
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  /** It went out and no answer came: the NAS may have done it. */
  | { readonly kind: 'no_answer' }
  /** Nothing of it reached the NAS. */
  | { readonly kind: 'not_sent' };

export type PassBefore =
  /** Nothing goes to the NAS, awake or asleep. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'go';
      /** It goes as `X-Sync-Trigger: auto` and counts as nobody's need of the NAS. */
      readonly auto?: boolean;
      /** Goes as JSON in the place of what was sent; only with a body that was wanted. */
      readonly body?: unknown;
      readonly readsAnswer?: boolean;
      /**
       * Called exactly once, whatever comes of it, before the first byte goes to the caller. What it
       * returns goes out in the place of the NAS's answer.
       */
      readonly after?: (result: PassResult) => Answer | undefined | Promise<Answer | undefined>;
    };

/** What another room has to do with requests that are passed on. */
export interface PassHook {
  /** By method and segments alone. `with_body`: the body is read first, at most 64 KB of it. */
  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body';
  before(request: PassRequest): PassBefore | Promise<PassBefore>;
}
