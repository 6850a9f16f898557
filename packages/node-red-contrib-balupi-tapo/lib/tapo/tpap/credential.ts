import { createHash } from 'node:crypto';
import type { PlugCredentials } from '../plug.ts';
import { asRecord } from '../wire-values.ts';

/**
 * What the password is, as the plug's `extra_crypt` asks for it. Plugs ask for `password_shadow` 2:
 * the SHA-1 of the password, into which the e-mail does not enter.
 * @returns null for a kind that is not known: guessing would cost one of the plug's few attempts
 */
export function pakeCredential(extraCrypt: unknown, credentials: PlugCredentials): string | null {
  const { username, password } = credentials;
  if (extraCrypt === undefined || extraCrypt === null) return `${username}/${password}`;
  const { type, params } = asRecord(extraCrypt) ?? {};
  const kind = asRecord(params)?.['passwd_id'];
  const isShadow = type === 'password_shadow' && (kind === 2 || kind === 4);
  return isShadow ? createHash('sha1').update(password, 'utf8').digest('hex') : null;
}
