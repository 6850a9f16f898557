/** Crockford's base 32: no I, L, O or U to misread. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_LETTERS = 10;
const RANDOM_LETTERS = 16;

/** @returns `size` random bytes */
export type RandomBytes = (size: number) => Uint8Array;

/**
 * An id in the form of a ULID (github.com/ulid/spec): 48 bits of time, 80 random ones, sortable by
 * age. Safe as a file name.
 * @param nowMs epoch ms; a clock before 1970 counts as 1970
 */
export function uploadId(nowMs: number, randomBytes: RandomBytes): string {
  let time = '';
  let rest = Math.max(0, Math.floor(nowMs));
  for (let place = 0; place < TIME_LETTERS; place += 1) {
    time = `${LETTERS[rest % 32] ?? ''}${time}`;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (const byte of randomBytes(RANDOM_LETTERS)) random += LETTERS[byte % 32] ?? '';
  return time + random;
}

/** When an id was made, epoch ms. */
export function timeOfId(id: string): number {
  let time = 0;
  for (const letter of id.slice(0, TIME_LETTERS)) time = time * 32 + LETTERS.indexOf(letter);
  return time;
}

/** Whether a text has the form of an upload id. */
export function isUploadId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}
