/** The longest name ext4 takes, in bytes. */
const LONGEST_NAME_BYTES = 255;
/** What is longer is no extension but a name that happens to have a dot. */
const LONGEST_EXTENSION_BYTES = 32;

export interface ConflictNaming {
  readonly filename: string;
  readonly username: string;
  /** When the upload was accepted, epoch ms. */
  readonly acceptedAtMs: number;
  /** IANA name. */
  readonly timezone: string;
  /** 1 for the first try; from 2 on it is written out. */
  readonly count: number;
}

/**
 * The name an upload gets beside a file that changed meanwhile (contract 4, Conflict):
 * `name (conflict 2026-02-22 14-30 username).ext`, then `… 2.ext`. The stem is cut, at a whole
 * character, where the name would not fit in 255 bytes.
 */
export function conflictName(naming: ConflictNaming): string {
  const { stem, extension } = splitName(naming.filename);
  const count = naming.count > 1 ? ` ${naming.count}` : '';
  const moment = localMinute(naming.acceptedAtMs, naming.timezone);
  const mark = ` (conflict ${moment} ${naming.username})${count}`;
  const room = LONGEST_NAME_BYTES - Buffer.byteLength(mark) - Buffer.byteLength(extension);
  return `${cutToBytes(stem, Math.max(0, room))}${mark}${extension}`;
}

function splitName(filename: string): { readonly stem: string; readonly extension: string } {
  const dot = filename.lastIndexOf('.');
  const extension = filename.slice(dot);
  if (dot <= 0 || Buffer.byteLength(extension) > LONGEST_EXTENSION_BYTES) {
    return { stem: filename, extension: '' };
  }
  return { stem: filename.slice(0, dot), extension };
}

/** `2026-02-22 14-30` as the clocks in that zone show it. */
function localMinute(atMs: number, timezone: string): string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}-${part('minute')}`;
}

function cutToBytes(text: string, bytes: number): string {
  let cut = '';
  let used = 0;
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) return cut;
    cut += character;
  }
  return cut;
}
