import type { IncomingHttpHeaders } from 'node:http';

/** What identifies the version a server would send now. */
export interface Validators {
  /** A strong entity tag with its quotes; null where it is not known yet. */
  readonly etag: string | null;
  /** Another tag that the same version was given, asked for only where a caller sends one. */
  readonly otherTag?: (() => string) | undefined;
  /** Epoch ms; only its whole seconds count, as HTTP dates carry no more. */
  readonly lastModifiedMs: number;
}

/** `failed`: 412. `not_modified`: 304, what the caller has is still good. */
export type Precondition = 'go' | 'failed' | 'not_modified';

/**
 * What the caller made the answer depend on, in the order of RFC 9110, 13.2.2: `If-Match`, or
 * `If-Unmodified-Since` without it; then `If-None-Match`, or `If-Modified-Since` without it.
 */
export function preconditionOf(headers: IncomingHttpHeaders, now: Validators): Precondition {
  const match = headers['if-match'];
  if (match !== undefined) {
    if (!listsTag(match, now, 'strongly')) return 'failed';
  } else {
    const unmodified = httpDateMs(headers['if-unmodified-since']);
    if (unmodified !== null && isNewer(now, unmodified)) return 'failed';
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return listsTag(noneMatch, now, 'weakly') ? 'not_modified' : 'go';
  const since = httpDateMs(headers['if-modified-since']);
  return since !== null && !isNewer(now, since) ? 'not_modified' : 'go';
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
  if (value.startsWith('"')) return isTagOf(now, value);
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

function isNewer(now: Validators, thanMs: number): boolean {
  return wholeSeconds(now.lastModifiedMs) > wholeSeconds(thanMs);
}

/** Whether a header names the version. A comma may stand inside a quoted tag. */
function listsTag(header: string, now: Validators, how: 'strongly' | 'weakly'): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => isTagOf(now, how === 'weakly' ? tag.replace(/^W\//, '') : tag));
}

function isTagOf(now: Validators, tag: string): boolean {
  return tag === now.etag || tag === now.otherTag?.();
}
