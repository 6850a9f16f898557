import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CredentialCipher } from '../nodes/lib/accounts/credential-vault.ts';
import { StartFault } from './start-fault.ts';

/** In the data folder, so that its settings move with it. */
const FILE = 'settings.json';
const KEY_FILE = 'secret.key';
const KEY_BYTES = 32;
const PREFIX = 'BALUPI_';

/**
 * Settings that decide who may do what, or where the data are, belong to the environment: a page that
 * could change them would be a way in (contract 0).
 */
const ENVIRONMENT_ONLY =
  /^(?:DATA_DIR|HOST|PORT|TRUSTED_PROXIES|SECRET_KEY|HANDSHAKE_SECRET|PALETTE|BACKUP.*|EDITOR.*)$/;

type KeptValues = Readonly<Record<string, string>>;

/** The settings stored in a data folder, and the key made there. */
export class KeptSettings {
  readonly #folder: string;

  /** @param folder DATA_DIR; it need not be there yet */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns whether that setting, named without its prefix, can be kept here */
  static takes(name: string): boolean {
    return !ENVIRONMENT_ONLY.test(name);
  }

  /**
   * @returns the stored values by names with the prefix
   * @throws StartFault if the file exists and is malformed
   */
  read(): KeptValues {
    const text = keptText(this.#folder, FILE);
    if (text === null) return {};
    const values = parsed(text);
    if (values === null) {
      throw new StartFault(`The file ${FILE} in the data folder is no list of settings.`);
    }
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [PREFIX + name, value]),
    );
  }

  /**
   * Stores a setting, or removes it. Durable once it returns.
   * @param name without its prefix; {@link KeptSettings.takes} it
   * @param value null removes it
   */
  set(name: string, value: string | null): void {
    this.setAll({ [name]: value });
  }

  /** As {@link set}, all or nothing. */
  setAll(changes: Readonly<Record<string, string | null>>): void {
    const next = new Map(Object.entries(this.read()));
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(PREFIX + name);
      else next.set(PREFIX + name, value);
    }
    const sorted = Object.fromEntries(
      [...next].map(([full, text]) => [full.slice(PREFIX.length), text] as const).sort(),
    );
    keepFile(this.#folder, FILE, `${JSON.stringify(sorted, null, 2)}\n`);
  }

  /** The key of this data folder, if it has one; makes none. */
  presentKey(): string | null {
    const text = keptText(this.#folder, KEY_FILE)?.trim() ?? '';
    return text === '' ? null : text;
  }

  /**
   * The key of this data folder; made if the folder is new. With accounts and sealed credentials present
   * a new key would silently make them unreadable, so none is made.
   * @returns null if there is none and none may be made
   */
  secretKey(): string | null {
    const kept = this.presentKey();
    if (kept !== null) return kept;
    if (existsSync(join(this.#folder, 'queue.db'))) return null;
    const made = randomBytes(KEY_BYTES).toString('hex');
    keepFile(this.#folder, KEY_FILE, `${made}\n`);
    return made;
  }
}

function parsed(text: string): Record<string, string> | null {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const wrong = Object.values(value).some((one) => typeof one !== 'string');
    return wrong ? null : (value as Record<string, string>);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Writes a small file of the data folder atomically, readable by its owner only. Durable once it
 * returns.
 */
export function keepFile(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, name);
  // Written by root at the shell, it must be readable by the service.
  const { uid, gid } = statSync(folder);
  const handle = openSync(`${file}.next`, 'w', 0o600);
  try {
    if (process.getuid?.() === 0) fchownSync(handle, uid, gid);
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.next`, file);
  syncFolder(folder);
}

/** @returns null if there is no such file */
export function keptText(folder: string, name: string): string | null {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Settings that must not be readable from the file or a backup of it. */
export const SEALED: ReadonlySet<string> = new Set(['TAPO_PASSWORD', 'PIHOLE_PASSWORD']);

const MARK = 'sealed:';

/**
 * @param name without its prefix; the seal is bound to it, so that secrets cannot be swapped
 * @param key SECRET_KEY
 * @returns the value as stored, sealed if it is a secret
 */
export function sealedValue(name: string, value: string, key: string): string {
  if (!SEALED.has(name)) return value;
  const cipher = new CredentialCipher(key, randomBytes);
  return MARK + cipher.seal(rowOf(name), value).toString('base64');
}

/**
 * Opens sealed values. One sealed by another key is left out, a password together with its account, as
 * neither works alone: the start goes on (contract 0, SECRET_KEY).
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

/** @returns names, without the prefix, of values that the key cannot open */
export function unreadableIn(kept: KeptValues, key: string | null): readonly string[] {
  const names = Object.keys(kept).map((name) => name.slice(PREFIX.length));
  return names.filter((name) => opened(name, kept[PREFIX + name] ?? '', key) === null);
}

/** Null if the key cannot open it. Values stored unsealed by older versions are returned as they are. */
function opened(name: string, text: string, key: string | null): string | null {
  if (!SEALED.has(name) || !text.startsWith(MARK)) return text;
  if (key === null) return null;
  const sealed = Buffer.from(text.slice(MARK.length), 'base64');
  return new CredentialCipher(key, randomBytes).open(rowOf(name), sealed);
}

function rowOf(name: string): string {
  return `setting ${name}`;
}
