import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keepFile, keptText } from './kept-file.ts';
import { StartFault } from './start-fault.ts';

/** Read beside the data, so that whoever moves the folder moves its settings too. */
const FILE = 'settings.json';
const KEY_FILE = 'secret.key';
const KEY_BYTES = 32;
const PREFIX = 'BALUPI_';

/**
 * What decides who may do what, or where the data lie, is the machine's owner's to say, in the
 * environment: a page that could change it would be a way in (contract 0).
 */
const ENVIRONMENT_ONLY =
  /^(?:DATA_DIR|HOST|PORT|TRUSTED_PROXIES|SECRET_KEY|HANDSHAKE_SECRET|PALETTE|BACKUP.*|EDITOR.*)$/;

export type KeptValues = Readonly<Record<string, string>>;

/** The settings that are kept in a data folder, and the key that is made there. */
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
   * @returns the kept values by their names with the prefix
   * @throws StartFault when the file is there and is no such list
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
   * Keeps a setting, or forgets it. Survives a power cut once it returns.
   * @param name without its prefix; {@link KeptSettings.takes} it
   * @param value null forgets it
   */
  set(name: string, value: string | null): void {
    this.setAll({ [name]: value });
  }

  /** As {@link set}, all of them or none. */
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

  /** The key of this data folder where it has one; none is made. */
  presentKey(): string | null {
    const text = keptText(this.#folder, KEY_FILE)?.trim() ?? '';
    return text === '' ? null : text;
  }

  /**
   * The key of this data folder. It is made where the folder is new; where accounts and sealed
   * credentials exist already a new key would make them unreadable in silence, so none is made.
   * @returns null where there is none and none may be made
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
