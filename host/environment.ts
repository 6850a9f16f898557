import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { KeptSettings, openedValues } from './kept-settings.ts';
import { StartFault } from './start-fault.ts';

/**
 * The environment merged over `.env` (contract 0).
 * @throws StartFault if the file exists and cannot be read
 */
export function readEnvironment(
  envFile: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return { ...readEnvFile(envFile), ...environment };
}

function readEnvFile(file: string): Record<string, string | undefined> {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new StartFault('The file .env is there but cannot be read.', { cause: error });
  }
}

/** A setting and its value: up to the closing quote, across lines, else the rest of the line. */
const SETTING =
  /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*(?:(["'`])[^]*?\2[^\n]*|([^\n]*))$/gm;

/**
 * As Node's parser, except that an unquoted `#` is part of the value: passwords contain it, and Node
 * would silently cut them there.
 */
function parse(text: string): Record<string, string | undefined> {
  const values: Record<string, string | undefined> = parseEnv(text);
  for (const [, name = '', , plain] of text.matchAll(SETTING)) {
    if (plain?.includes('#') === true) values[name] = plain.trim();
  }
  return values;
}

const OTHERS_READ = 0o004;

/** The warning for an `.env` that other users can read; null if there is none to give. */
export function openToOthers(file: string): string | null {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & OTHERS_READ) === 0) return null;
  return 'The file .env holds secrets and can be read by everybody on this machine: chmod 600 .env';
}

const PREFIX = 'BALUPI_';

/**
 * Merges all sources of settings, strongest first: the environment, `.env` (each also by the file a
 * `…_FILE` names), systemd's credentials, the data folder's settings (contract 0).
 * @param envFile null to read no `.env`
 * @param names of all settings, without the prefix
 * @param standInKey used where the folder has no key, so that none is made: for read-only commands
 * @returns names with their prefix; with `BALUPI_SECRET_KEY` if there is a key or one was made
 * @throws StartFault if a file that is named cannot be read
 */
export function gatherEnvironment(
  envFile: string | null,
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
  standInKey?: string,
): Record<string, string | undefined> {
  const own = ownValues(envFile, environment, names);
  const kept = new KeptSettings(resolve(own[`${PREFIX}DATA_DIR`] ?? './data'));
  const keyName = `${PREFIX}SECRET_KEY`;
  const madeKey = (): string | null =>
    standInKey === undefined ? kept.secretKey() : (kept.presentKey() ?? standInKey);
  const key = own[keyName] ?? madeKey();
  const all = { ...openedValues(kept.read(), key), ...own };
  return key === null ? all : { ...all, [keyName]: key };
}

/** The settings that outrank the data folder's, by names with their prefix. */
export function ownValues(
  envFile: string | null,
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const given = envFile === null ? environment : readEnvironment(envFile, environment);
  return { ...credentials(environment, names), ...set(withFiles(given, names)) };
}

/**
 * Puts another secret key into effect, such as a backup's; changes the settings file if that names
 * another one.
 * @param credential what the service gets by `LoadCredential=`; null for nothing
 * @returns `elsewhere` if a source that outranks the data folder names another key; nothing was
 *   changed then
 */
export function letKeyHold(
  envFile: string,
  environment: Readonly<Record<string, string | undefined>>,
  key: string,
  credential: string | null = null,
): 'holds' | 'changed' | 'elsewhere' {
  const { own, counts } = namedKey(envFile, environment);
  // A credential outranks the data folder alone.
  const named = counts === '' ? credential : counts;
  if (named === null || named === key) return 'holds';
  if (counts === '' || counts !== own) return 'elsewhere';
  writeSetting(envFile, `${PREFIX}SECRET_KEY`, key);
  return 'changed';
}

/** The key in the settings file, and the effective one; empty for none. */
function namedKey(
  envFile: string,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly own: string; readonly counts: string } {
  const name = `${PREFIX}SECRET_KEY`;
  const all = readEnvironment(envFile, environment);
  const [own = '', set = ''] = [readEnvFile(envFile)[name]?.trim(), all[name]?.trim()];
  const fromFile = all[`${name}_FILE`]?.trim();
  const counts = set !== '' || !fromFile ? set || own : secretIn(fromFile, `${name}_FILE`);
  return { own, counts };
}

/**
 * Puts another data folder into effect, once the data are there. Durable once it returns.
 * @returns `elsewhere` if the environment names a folder, which outranks the settings file; nothing
 *   was changed then
 */
export function letDataFolderHold(
  envFile: string,
  environment: Readonly<Record<string, string | undefined>>,
  folder: string,
): 'changed' | 'elsewhere' {
  const name = `${PREFIX}DATA_DIR`;
  if ((environment[name]?.trim() ?? '') !== '') return 'elsewhere';
  writeSetting(envFile, name, folder);
  return 'changed';
}

/** Changes the line of a setting, or adds it. */
function writeSetting(envFile: string, name: string, value: string): void {
  const line = new RegExp(`^([ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=).*$`, 'gm');
  const text = existsSync(envFile) ? readFileSync(envFile, 'utf8') : '';
  const added = `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${name}=${value}\n`;
  // A function, as `$` in a replacement string has a meaning.
  const next = line.test(text)
    ? text.replace(line, (_whole, before: string) => `${before}${value}`)
    : added;
  writeFileSync(`${envFile}.next`, next, { mode: 0o600, flush: true });
  renameSync(`${envFile}.next`, envFile);
  const folder = openSync(dirname(envFile), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** An empty value counts as unset: it does not hide a weaker source. */
function set(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const full = Object.entries(values).filter(
    ([, value]) => value !== undefined && value.trim() !== '',
  );
  return Object.fromEntries(full) as Record<string, string>;
}

/** `BALUPI_TAPO_PASSWORD_FILE` names a file that holds `BALUPI_TAPO_PASSWORD`. */
function withFiles(
  given: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string | undefined> {
  const values = { ...given };
  for (const name of names) {
    const { [`${PREFIX}${name}_FILE`]: file, ...others } = values;
    if (file === undefined || name.endsWith('_FILE')) continue;
    delete values[`${PREFIX}${name}_FILE`];
    if (file.trim() === '' || others[PREFIX + name]?.trim()) continue;
    values[PREFIX + name] = secretIn(file.trim(), `${PREFIX}${name}_FILE`);
  }
  return values;
}

/** The files of systemd's `LoadCredential=`, named like the settings in lower case. */
function credentials(
  { CREDENTIALS_DIRECTORY: folder }: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  if (folder === undefined) return {};
  const here = names.filter((name) => existsSync(join(folder, name.toLowerCase())));
  return Object.fromEntries(
    here.map((name) => [
      PREFIX + name,
      secretIn(join(folder, name.toLowerCase()), `the credential ${name.toLowerCase()}`),
    ]),
  );
}

/** A single final line feed comes from an editor and is dropped. */
function secretIn(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new StartFault(`What ${what} names cannot be read (${code}).`, { cause: error });
  }
}
