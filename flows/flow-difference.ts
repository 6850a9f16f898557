import { diff } from 'node:util';

/** By `util.diff`'s codes: only in the second text, in both, only in the first. */
const MARK_OF = ['+', ' ', '-'];
const AROUND = 2;

/**
 * The changed lines with two lines of context, as `diff -u`; empty if there are none. Multi-line text,
 * such as a function or a Vue part, is shown as it was written.
 */
export function differenceOf(before: string, after: string): string {
  const lines = diff(readable(before), readable(after));
  const near = (at: number): boolean =>
    lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([operation]) => operation !== 0);
  return lines
    .map(([operation, line], at) => (near(at) ? `${MARK_OF[operation + 1] ?? ''}${line}` : null))
    .filter((line) => line !== null)
    .join('\n');
}

/** The lines of a flow file, those of `$lines` unquoted. */
function readable(text: string): string[] {
  let isInLines = false;
  return text.split('\n').map((line) => {
    if (line.trim() === ']') isInLines = false;
    const quoted = isInLines ? /^(\s*)("(?:[^"\\]|\\.)*"),?$/.exec(line) : null;
    if (line.trim() === '"$lines": [') isInLines = true;
    return quoted === null ? line : `${quoted[1] ?? ''}${JSON.parse(quoted[2] ?? '""') as string}`;
  });
}
