import { diff } from 'node:util';

/** By what `util.diff` says of a line: only in the second text, in both, only in the first. */
const MARK_OF = ['+', ' ', '-'];
const AROUND = 2;

/** The changed lines with two around them, as people know it from `diff -u`; empty where none is. */
export function differenceOf(before: string, after: string): string {
  const lines = diff(before.split('\n'), after.split('\n'));
  const near = (at: number): boolean =>
    lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([operation]) => operation !== 0);
  return lines
    .map(([operation, line], at) => (near(at) ? `${MARK_OF[operation + 1] ?? ''}${line}` : null))
    .filter((line) => line !== null)
    .join('\n');
}
