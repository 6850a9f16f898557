/**
 * What one look of the doctor found. The texts hold marked words, so that a page shows them in its
 * reader's language and the command in English.
 */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: string;
  readonly found: string;
  /** What to do; empty where there is nothing to do. */
  readonly advice: string;
}
