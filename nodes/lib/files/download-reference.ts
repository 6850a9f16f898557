import { parseNasPath } from './nas-path.ts';

/** The Pi's own ids begin here; the NAS counts its own from 1. */
export const FIRST_PI_ID = 1_000_000_000;

/** One way to read what a caller wants to download. */
export type DownloadCandidate =
  | { readonly kind: 'pi_id'; readonly id: number }
  | { readonly kind: 'nas_file_id'; readonly id: number }
  | { readonly kind: 'path'; readonly path: string };

export type DownloadReference =
  /** To be tried in this order. Never empty. */
  | { readonly kind: 'candidates'; readonly candidates: readonly DownloadCandidate[] }
  | { readonly kind: 'bad_path'; readonly reason: string };

/**
 * Reads the raw rest of `/api/files/download/<rest>` or the raw value of its `?path=`, still with
 * its percent signs (contract 3). BaluApp sends `/` as `%2F` and a space as `+`, or a name's own
 * `%` unescaped; BaluDesk sends raw slashes. So a name is looked for as decoded, then with `+` as
 * a space, then exactly as sent. What decodes to no path is refused whatever the raw text is.
 * Never throws.
 * @param raw as in the request line, without the query's `?`
 */
export function parseDownloadReference(raw: string): DownloadReference {
  const decoded = decodeLoosely(raw);
  const first = parseNasPath(decoded);
  if (first.kind === 'bad_path') return first;
  if (first.path === '') return { kind: 'bad_path', reason: 'Name the file to download.' };
  const paths = new Set([first.path]);
  for (const text of [decodeLoosely(raw.replaceAll('+', ' ')), raw, raw.replaceAll('+', ' ')]) {
    const reading = parseNasPath(text);
    if (reading.kind === 'path') paths.add(reading.path);
  }
  const byPath = [...paths].map((path): DownloadCandidate => ({ kind: 'path', path }));
  return { kind: 'candidates', candidates: [...idsOf(first.path), ...byPath] };
}

function idsOf(path: string): DownloadCandidate[] {
  const id = Number(path);
  if (!/^\d{1,15}$/.test(path)) return [];
  const nas: DownloadCandidate = { kind: 'nas_file_id', id };
  return id >= FIRST_PI_ID ? [{ kind: 'pi_id', id }, nas] : [nas];
}

/**
 * Percent decoding that takes an incomplete escape, and a run of escapes that is no UTF-8, for the
 * characters they are. `decodeURIComponent` throws on `100%.txt`.
 */
function decodeLoosely(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}
