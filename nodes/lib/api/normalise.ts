/** One part of a path between two slashes. */
export interface Segment {
  /** As it is matched: decoded. */
  readonly text: string;
  /** Whether an address may have it; a file's own path may have others. */
  readonly isPlain: boolean;
  /** Where it begins in the raw path. */
  readonly from: number;
}

const ORIGIN = /^https?:\/\/[^/?#]*/i;
/** A slash, a backslash, `#` and NUL, however they were written; a dot segment. */
const NEVER_IN_AN_ADDRESS = /[/\\#\0]|^\.{1,2}$/;
/** What RFC 3986 allows unescaped in a segment, but `encodeURIComponent` escapes. */
const NEEDLESS_ESCAPE = /%(?:24|26|2B|2C|3A|3B|3D|40)/g;

/**
 * A request target in the one form that is matched (contract 1): doubled and trailing slashes are
 * gone, escapes are decoded. Everything afterwards gets {@link path}, built from exactly what was
 * matched, so that no later router reads the address differently.
 */
export class Target {
  readonly segments: readonly Segment[];
  /** What followed `?`, undecoded, without it. */
  readonly query: string;
  readonly #rawPath: string;

  /** @param rawUrl as in the request line. Nothing a caller sends makes this throw. */
  constructor(rawUrl: string) {
    const url = rawUrl.replace(ORIGIN, '');
    const mark = url.indexOf('?');
    this.#rawPath = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? '' : url.slice(mark + 1);
    const segments = segmentsOf(this.#rawPath);
    const doubled = segments[0]?.text === 'api' && segments[1]?.text === 'api';
    this.segments = doubled ? segments.slice(1) : segments;
  }

  get isPlain(): boolean {
    return this.segments.every(({ isPlain }) => isPlain);
  }

  /** Whether it ends in a slash, which only matters to the NAS itself. */
  get endsInSlash(): boolean {
    return this.#rawPath.endsWith('/');
  }

  /** The path as passed on: what was matched, encoded again. */
  get path(): string {
    return `/${this.segments.map(({ text }) => encodeSegment(text)).join('/')}`;
  }

  /** The query as passed on. A raw `#` would end it for Express. */
  get plainQuery(): string {
    return this.query.replaceAll('#', '%23').replaceAll('\\', '%5C');
  }

  /** The part of the request after the slash before that segment, untouched. */
  rawFrom(index: number): string {
    const segment = this.segments[index];
    if (segment === undefined) return '';
    const before = this.segments[index - 1];
    return this.#rawPath.slice(before === undefined ? segment.from : this.#endOf(before) + 1);
  }

  #endOf({ from }: Segment): number {
    const slash = this.#rawPath.indexOf('/', from);
    return slash === -1 ? this.#rawPath.length : slash;
  }
}

/** Writes a segment so that every reader decodes it to exactly this text. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(NEEDLESS_ESCAPE, decodeURIComponent);
}

function segmentsOf(rawPath: string): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (const raw of rawPath.split('/')) {
    if (raw !== '') segments.push(segmentOf(raw, from));
    from += raw.length + 1;
  }
  return segments;
}

function segmentOf(raw: string, from: number): Segment {
  const text = decodeLenient(raw);
  const isPlain = !NEVER_IN_AN_ADDRESS.test(text) && isDecoded(raw);
  return { text, isPlain, from };
}

/**
 * Bytes that are not UTF-8, such as an overlong slash, which some reader may take for another
 * character.
 */
function isDecoded(raw: string): boolean {
  if (!raw.includes('%')) return true;
  try {
    decodeURIComponent(raw);
    return true;
  } catch (fault) {
    if (fault instanceof URIError) return false;
    throw fault;
  }
}

const ESCAPES = /(?:%[0-9A-Fa-f]{2})+/g;

/**
 * Decodes percent escapes where they are valid and leaves the rest as sent, because BaluApp does
 * not escape `%` itself and `100%.txt` must arrive as such (contract 3). `+` stays. Never throws.
 */
export function decodeLenient(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch (fault) {
      // URIError: bytes that are no UTF-8. They stay as they were written.
      if (fault instanceof URIError) return escapes;
      throw fault;
    }
  });
}
