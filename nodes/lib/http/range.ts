/** Bytes `first` to `last` of a file, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** `whole`: no range is wanted, or what was sent does not count (RFC 9110, 14.2). */
export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'ranges'; readonly ranges: readonly [ByteRange, ...ByteRange[]] }
  | { readonly kind: 'unsatisfiable' };

/** More parts than this are no reader's wish; the whole file is sent instead (RFC 9110, 17.15). */
const MOST_RANGES = 16;

const WHOLE: RangeRequest = { kind: 'whole' };

/**
 * Reads a `Range` header. Never throws.
 * @param header the header's value, undefined when it was not sent
 * @param sizeBytes size of the file
 */
export function parseRange(header: string | undefined, sizeBytes: number): RangeRequest {
  const unit = /^\s*bytes\s*=(.*)$/i.exec(header ?? '');
  if (unit?.[1] === undefined) return WHOLE;
  const specs = unit[1].split(',').map((spec) => spec.trim());
  const wanted = specs.filter((spec) => spec !== '');
  if (wanted.length === 0 || wanted.length > MOST_RANGES) return WHOLE;
  const ranges: ByteRange[] = [];
  for (const spec of wanted) {
    const range = parseSpec(spec, sizeBytes);
    if (range === 'malformed') return WHOLE;
    if (range !== 'outside') ranges.push(range);
  }
  const [head, ...rest] = ranges;
  if (head === undefined) return { kind: 'unsatisfiable' };
  const wantedBytes = ranges.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  // Overlapping parts that add up to more than the file are asked for to waste, not to read.
  if (rest.length > 0 && wantedBytes > sizeBytes) return WHOLE;
  return { kind: 'ranges', ranges: [head, ...rest] };
}

function parseSpec(spec: string, sizeBytes: number): ByteRange | 'malformed' | 'outside' {
  const match = /^(\d*)\s*-\s*(\d*)$/.exec(spec);
  if (match === null) return 'malformed';
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return 'malformed';
  if (from === '') return suffix(Number(to), sizeBytes);
  const first = Number(from);
  if (to !== '' && Number(to) < first) return 'malformed';
  if (first >= sizeBytes) return 'outside';
  return { first, last: to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1) };
}

function suffix(count: number, sizeBytes: number): ByteRange | 'outside' {
  if (count === 0 || sizeBytes === 0) return 'outside';
  return { first: Math.max(0, sizeBytes - count), last: sizeBytes - 1 };
}
