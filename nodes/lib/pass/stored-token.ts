/** Everything below these, whatever is done there (contract 2, "For a Pi token"). */
const ACTS_BELOW: readonly string[] = [
  'files',
  'sync',
  'shares',
  'notifications',
  'mobile/camera',
  'mobile/devices',
  'mobile/sync',
  'mobile/upload',
];
/** What is only read there. */
const READS_BELOW: readonly string[] = [
  'energy',
  'health',
  'mobile/power-summary',
  'monitoring',
  'smart-devices',
  'system',
];
/** To give away what is somebody's, or to move it, is no use of one's own files. */
const NEVER: readonly string[] = ['files/transfer-ownership', 'files/enforce-residency'];
const WAKES: readonly string[] = ['system/sleep/wake', 'system/sleep/wol'];

/**
 * Whether a stored credential may act there for a caller who came with a Pi token. Such a token
 * lives for 15 minutes and is given for a password or a refresh token alone; what makes accounts,
 * keys and sign-ins, or is an admin's, wants a token of the NAS's own.
 * @param segments decoded, without the `api` before them
 */
export function mayActStored(method: string, segments: readonly string[]): boolean {
  const isBelow = (place: string): boolean =>
    place.split('/').every((word, index) => segments[index] === word);
  if (NEVER.some(isBelow)) return false;
  if (ACTS_BELOW.some(isBelow)) return true;
  if (method === 'GET' || method === 'HEAD') return READS_BELOW.some(isBelow);
  return method === 'POST' && WAKES.some(isBelow);
}
