import type { Caller } from '../accounts/caller.ts';
import type { Language } from './words.ts';

/** Who is behind a message of a page. */
export interface Asker {
  readonly caller: Caller;
  readonly language: Language;
}
