import type { IncomingHttpHeaders } from 'node:http';

/** What identifies the version a server would send now. */
export interface Validators {
  /** A strong entity tag with its quotes. */
  readonly etag: string;
  /** Epoch ms; only its whole seconds count, as HTTP dates carry no more. */
  readonly lastModifiedMs: number;
}

/**
 * Whether the caller's own copy is still good (RFC 9110, 13.2.2): `If-None-Match` decides where it
 * is sent, `If-Modified-Since` only without it.
 */
export function isNotModified(headers: IncomingHttpHeaders, now: Validators): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return listsTag(noneMatch, now.etag);
  const since = httpDateMs(headers['if-modified-since']);
  return since !== null && wholeSeconds(now.lastModifiedMs) <= wholeSeconds(since);
}

/**
 * Whether a `Range` may be honoured: always without `If-Range`, else only when it names exactly
 * this version. Tags compare strongly, dates must be equal (RFC 9110, 13.1.5).
 */
export function rangeApplies(headers: IncomingHttpHeaders, now: Validators): boolean {
  const ifRange = headers['if-range'];
  if (typeof ifRange !== 'string') return true;
  const value = ifRange.trim();
  if (value.startsWith('W/')) return false;
  if (value.startsWith('"')) return value === now.etag;
  const date = httpDateMs(value);
  return date !== null && wholeSeconds(date) === wholeSeconds(now.lastModifiedMs);
}

/** An HTTP date (IMF-fixdate) for a `Last-Modified`. */
export function httpDate(atMs: number): string {
  return new Date(wholeSeconds(atMs) * 1000).toUTCString();
}

function wholeSeconds(atMs: number): number {
  return Math.floor(atMs / 1000);
}

function httpDateMs(value: string | undefined): number | null {
  if (value === undefined || !/ GMT$/.test(value.trim())) return null;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : atMs;
}

/** Weak comparison, as `If-None-Match` wants it. A comma may stand inside a quoted tag. */
function listsTag(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag.replace(/^W\//, '') === etag.replace(/^W\//, ''));
}
