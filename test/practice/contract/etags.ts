import { createHash } from 'node:crypto';

/**
 * The ETags that a file with this listing may have: BaluHost makes them of time and size alone, but
 * a disk keeps nanoseconds, of which a listing shows rounded microseconds.
 */
export function possibleEtags(modifiedAt: string, size: number): readonly string[] {
  const [, fraction = '0'] = /\.(\d{6})Z$/.exec(modifiedAt) ?? [];
  const seconds = Math.floor(Date.parse(modifiedAt) / 1000);
  return Array.from({ length: 2001 }, (_, step) => {
    const value = seconds + 1e-9 * (Number(fraction) * 1000 + step - 1000);
    const text = Number.isInteger(value) ? `${String(value)}.0` : String(value);
    return `"${createHash('md5')
      .update(`${text}-${String(size)}`)
      .digest('hex')}"`;
  });
}
