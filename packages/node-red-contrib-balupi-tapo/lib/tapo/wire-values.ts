/** Reads values out of JSON that a stranger wrote. Nothing here throws. */

export type WireRecord = Readonly<Record<string, unknown>>;

const LONGEST_TEXT = 64;
/** Control, format (bidirectional overrides), private and unassigned characters, line separators. */
const UNSHOWABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The object in `bytes`, or null when they are not JSON or not an object. */
export function parseRecord(bytes: Uint8Array): WireRecord | null {
  try {
    return asRecord(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export function asRecord(value: unknown): WireRecord | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as WireRecord)
    : null;
}

/** `value` fit for a list on a screen: control characters out, cut to 64 characters or `most`. */
export function cleanText(value: unknown, most = LONGEST_TEXT): string {
  if (typeof value !== 'string') return '';
  // Cut before the clean-up too, so that a text of megabytes costs nothing.
  const shown = value.slice(0, 1_024).replace(UNSHOWABLE, '').trim();
  return [...shown].slice(0, most).join('').trim();
}

/** Decodes the base64 that plugs wrap names in (seen in every recorded `get_device_info`). */
export function decodeName(value: unknown): string {
  if (typeof value !== 'string') return '';
  return cleanText(Buffer.from(value.slice(0, 1_024), 'base64').toString('utf8'));
}

/** `AA:BB:CC:DD:EE:FF`, or null when it is no MAC address. Plugs write it with dashes. */
export function asMac(value: unknown): string | null {
  if (typeof value !== 'string' || !/^[0-9a-f]{2}([-:][0-9a-f]{2}){5}$/i.test(value)) return null;
  return value.toUpperCase().replaceAll('-', ':');
}

/** An identifier such as `device_id`: 8 to 64 letters, digits, dashes. */
export function asIdentifier(value: unknown): string | null {
  return typeof value === 'string' && /^[0-9A-Za-z_-]{8,64}$/.test(value) ? value : null;
}

/** A finite number from `-most` to `most`, or null. */
export function asSigned(value: unknown, most: number): number | null {
  return typeof value === 'number' && Math.abs(value) <= most ? value : null;
}

/** A finite number from 0 to `max`, or null. */
export function asAmount(value: unknown, max: number): number | null {
  return typeof value === 'number' && value >= 0 && value <= max ? value : null;
}
