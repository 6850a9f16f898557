/** Bytes `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type RangeResult =
  | { readonly kind: 'whole' }
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'malformed'; readonly message: string };

const MALFORMED = 'Malformed Range header.';

function parsed(part: string, sizeBytes: number): ByteRange | null {
  const match = /^\s*(\d*)\s*-\s*(\d*)\s*$/.exec(part);
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') return { start: Math.max(sizeBytes - Number(last), 0), end: sizeBytes };
  const bounded = last !== '' && Number(last) < sizeBytes;
  return { start: Number(first), end: bounded ? Number(last) + 1 : sizeBytes };
}

function merged(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = [...ranges].sort((left, right) => left.start - right.start);
  const result: ByteRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last === undefined || range.start > last.end) result.push(range);
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
  }
  return result;
}

/**
 * Parses a Range header as the NAS's framework does: one range outside the file refuses all,
 * overlapping ones are merged, an empty file has none.
 */
export function readRanges(header: string | undefined, sizeBytes: number): RangeResult {
  if (header === undefined) return { kind: 'whole' };
  const equals = header.indexOf('=');
  if (equals === -1) return { kind: 'malformed', message: MALFORMED };
  if (header.slice(0, equals).trim().toLowerCase() !== 'bytes') {
    return { kind: 'malformed', message: 'Only support bytes range' };
  }
  const ranges = header
    .slice(equals + 1)
    .split(',')
    .flatMap((part) => parsed(part, sizeBytes) ?? []);
  if (ranges.length === 0) {
    return { kind: 'malformed', message: 'Range header: range must be requested' };
  }
  if (ranges.some((range) => range.start >= sizeBytes)) return { kind: 'unsatisfiable' };
  if (ranges.some((range) => range.start >= range.end)) {
    return { kind: 'malformed', message: 'Range header: start must be less than end' };
  }
  return { kind: 'ranges', ranges: merged(ranges) };
}
