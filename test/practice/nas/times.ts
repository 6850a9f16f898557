/*
 * The time formats of BaluHost, which mixes three of them (docs/NAS.md). Microseconds come from a
 * fraction of the millisecond and vanish when they are zero, as Python prints them.
 */

function microseconds(atMs: number): string {
  const micros = Math.round(atMs * 1000);
  const whole = new Date(Math.floor(micros / 1_000_000) * 1000).toISOString().slice(0, 19);
  const rest = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  return rest === 0 ? whole : `${whole}.${String(rest).padStart(6, '0')}`;
}

/** `2026-11-23T15:58:15.246483Z`, as in listings. */
export function zulu(atMs: number): string {
  return `${microseconds(atMs)}Z`;
}

/** `2026-11-23T15:58:15.434320+00:00`, as in check-exists. */
export function offset(atMs: number): string {
  return `${microseconds(atMs)}+00:00`;
}

/** `2026-11-23T15:58:17.346144`, without a zone, as in devices and shares. */
export function naive(atMs: number): string {
  return microseconds(atMs);
}

/** `2026-11-23T15:57:59`, without a zone, as in database columns of whole seconds. */
export function naiveSeconds(atMs: number): string {
  return microseconds(Math.floor(atMs / 1000) * 1000);
}
