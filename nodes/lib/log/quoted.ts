const MOST_CHARACTERS = 64;
/** Control, format (directions, joiners), line and paragraph marks, and lone halves of a pair. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A person's name for a line of the log, in quotes, whoever gave it: nothing in it ends the quotes,
 * begins a line, turns the text round or stays unseen, and it is not long.
 */
export function quoted(name: string): string {
  const characters = [...name];
  const cut = characters.slice(0, MOST_CHARACTERS).join('');
  const shown = cut
    .replace(/["\\]/g, '\\$&')
    .replace(UNSEEN, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
  return `"${shown}${characters.length > MOST_CHARACTERS ? '…' : ''}"`;
}
