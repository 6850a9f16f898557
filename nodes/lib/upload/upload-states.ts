/** The words of contract 4. */
export const UPLOAD_STATES = [
  'queued',
  'sending',
  'waiting',
  'waiting_for_credential',
  'found',
  'held',
  'synced',
  'conflict',
  'failed',
] as const;

export type UploadState = (typeof UPLOAD_STATES)[number];

/** Whether a text is one of the contract's states. */
export function isUploadState(text: string): text is UploadState {
  return UPLOAD_STATES.some((state) => state === text);
}

/**
 * A `found` row that waits until its owner says deliver or drop. People read `found` for both; in
 * the table they are two words, so that every statement knows by the state alone what goes by itself.
 */
export const FOUND_WAITING = 'found_waiting';

/** As SQL: what the delivery may claim, in the very words of the index `upload_queue_claimable`. */
export const CLAIMABLE = `('queued', 'sending', 'waiting', 'found')`;

/** As SQL: what reaches the NAS without anybody doing anything more here. */
export const UNDELIVERED = `('queued', 'sending', 'waiting', 'waiting_for_credential', 'found')`;

/** As SQL: what is to reach the NAS, by itself or once its owner says so. */
export const PENDING = `('queued', 'sending', 'waiting', 'waiting_for_credential', 'found',
  '${FOUND_WAITING}')`;

/** As SQL: what is not on the NAS and belongs to somebody. */
export const UNFINISHED = `('queued', 'sending', 'waiting', 'waiting_for_credential', 'found',
  '${FOUND_WAITING}', 'failed')`;

/** As SQL: what a person may put back in line. */
export const REQUEUABLE = `('failed', 'waiting', 'waiting_for_credential', 'found',
  '${FOUND_WAITING}')`;

/** What a row says that stays where it is until its end is written. */
const BEING_DROPPED = 'It is being dropped.';

/** As SQL, in an UPDATE: what was on its way stays where it is; all else is not on its way anyhow. */
export const FROZEN = `detail = iif(state IN ${UNDELIVERED}, '${BEING_DROPPED}', detail),
        state = iif(state IN ${UNDELIVERED}, 'failed', state)`;

/** As SQL: a row that was frozen and did not go. */
export const IS_FROZEN = `(state = 'failed' AND detail = '${BEING_DROPPED}')`;

/** As SQL, in an UPDATE: where a row stands that is nobody's any more at this moment. */
export const IN_LINE = `iif(found = 1, 'found', 'queued')`;

/**
 * As SQL, for a new process: what the last one had claimed is free again, every wait begins anew, as
 * that process's clock is no more, and what it was about to drop goes on, unless its end was written.
 */
export const FREED = `due_tick_ms = 0, next_attempt_ms = NULL,
        detail = iif(${IS_FROZEN}, NULL, detail),
        state = iif(state = 'sending' OR ${IS_FROZEN}, ${IN_LINE}, state)
      WHERE state IN ('sending', 'waiting') OR ${IS_FROZEN}
        OR (due_tick_ms > 0 AND state IN ${UNDELIVERED})`;
