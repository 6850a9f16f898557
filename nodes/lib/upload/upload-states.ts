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

/** As SQL, in an UPDATE: where a row stands that is nobody's any more at this moment. */
export const IN_LINE = `iif(found = 1, 'found', 'queued')`;
