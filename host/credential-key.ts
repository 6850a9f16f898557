import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEY_BYTES = 32;

/**
 * The key Node-RED encrypts the credentials of a tinkerer's own nodes with. It is a file of its own
 * and not SECRET_KEY: with another key Node-RED starts no flow at all, and SECRET_KEY may change.
 * @param userFolder Node-RED's folder inside the data folder
 */
export function credentialKey(userFolder: string): string {
  const file = join(userFolder, 'credential.key');
  try {
    writeFileSync(file, randomBytes(KEY_BYTES).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
