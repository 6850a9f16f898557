/**
 * Writes a NAS path for a URL: every segment percent-encoded on its own, the slashes kept.
 * @param path without a leading slash, in well-formed UTF-16
 */
export function encodeNasPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
