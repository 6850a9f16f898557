import { randomBytes } from 'node:crypto';
import { CredentialCipher } from '../nodes/lib/accounts/credential-vault.ts';
import type { KeptValues } from './kept-settings.ts';

/** Kept settings that nobody may read from the file, nor from a backup of it. */
export const SEALED: ReadonlySet<string> = new Set(['TAPO_PASSWORD', 'PIHOLE_PASSWORD']);

const PREFIX = 'BALUPI_';
const MARK = 'sealed:';

/**
 * @param name without its prefix; bound to it, so that one secret cannot be read as another
 * @param key SECRET_KEY
 * @returns the value as it is kept, whatever of it is secret sealed
 */
export function sealedValue(name: string, value: string, key: string): string {
  if (!SEALED.has(name)) return value;
  const cipher = new CredentialCipher(key, randomBytes);
  return MARK + cipher.seal(rowOf(name), value).toString('base64');
}

/**
 * Opens what is sealed. What another key sealed is left out, and with a password its account, as one
 * is nothing without the other: the start goes on (contract 0, SECRET_KEY).
 * @param kept names with their prefix
 */
export function openedValues(kept: KeptValues, key: string | null): KeptValues {
  const closed = new Set(unreadableIn(kept, key));
  if (closed.has('TAPO_PASSWORD')) closed.add('TAPO_USERNAME');
  const readable = Object.entries(kept).filter(([name]) => !closed.has(name.slice(PREFIX.length)));
  return Object.fromEntries(
    readable.map(([name, text]) => [name, opened(name.slice(PREFIX.length), text, key) ?? text]),
  );
}

/** @returns names, without the prefix, of what that key does not open */
export function unreadableIn(kept: KeptValues, key: string | null): readonly string[] {
  const names = Object.keys(kept).map((name) => name.slice(PREFIX.length));
  return names.filter((name) => opened(name, kept[PREFIX + name] ?? '', key) === null);
}

/** Null where the key does not open it. What was kept open before stays as it is. */
function opened(name: string, text: string, key: string | null): string | null {
  if (!SEALED.has(name) || !text.startsWith(MARK)) return text;
  if (key === null) return null;
  const sealed = Buffer.from(text.slice(MARK.length), 'base64');
  return new CredentialCipher(key, randomBytes).open(rowOf(name), sealed);
}

function rowOf(name: string): string {
  return `setting ${name}`;
}
