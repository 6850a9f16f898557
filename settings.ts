import {
  addressRange,
  contact,
  dnsName,
  fingerprint,
  flag,
  flushWake,
  hostAndPort,
  httpUrl,
  list,
  macAddress,
  number,
  oneOf,
  origin,
  type Parser,
  port,
  ports,
  secretKey,
  SettingFault,
  text,
  timeZone,
} from './host/setting-parsers.ts';
import { WORDS } from './nodes/lib/words/words.ts';

/** One setting: its parser, its default and its description. */
interface Setting<T, Missing> {
  readonly parse: Parser<T>;
  /** Default, as text; null where the setting is optional. */
  readonly standard: string | null;
  readonly missing: Missing;
  readonly meaning: string;
}

function setting<T>(standard: string, parse: Parser<T>, meaning: string): Setting<T, never> {
  return { parse, standard, missing: undefined as never, meaning };
}

function optional<T>(parse: Parser<T>, meaning: string): Setting<T, null> {
  return { parse, standard: null, missing: null, meaning };
}

const FAR = 1_000_000_000;
const SYSTEM_TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Every setting of contract 0, by name without the prefix. */
export const SETTINGS = {
  HOST: setting('0.0.0.0', text, 'Address the API listens on.'),
  PORT: setting('8000', ports, 'Port of the API; a comma list such as 80,8000 opens several.'),
  DATA_DIR: setting('./data', text, 'Folder for everything that is kept.'),
  LOG_LEVEL: setting('info', oneOf('debug', 'info', 'warn', 'error'), 'How much is logged.'),
  TIMEZONE: setting(SYSTEM_TIME_ZONE, timeZone, 'IANA time zone in which days begin and end.'),
  TRUSTED_PROXIES: setting('', list(addressRange), 'Proxies whose X-Forwarded-For is believed.'),
  ACCEL: setting(
    'off',
    oneOf('off', 'nginx'),
    'nginx lets a trusted nginx in front send files itself (deploy/nginx.conf).',
  ),
  NAS_URL: setting('http://192.168.178.53', httpUrl, 'Where the NAS answers.'),
  NAS_DIRECT_URL: optional(
    httpUrl,
    "The NAS past its own proxy; default: NAS_URL's host, port 8000.",
  ),
  NAS_TLS_FINGERPRINT: optional(fingerprint, 'SHA-256 of the certificate of an https NAS_URL.'),
  NAS_MAC_ADDRESS: optional(
    macAddress,
    'MAC address of the NAS, to wake it; default: as seen in the neighbour table.',
  ),
  NAS_WAKE_ADDRESS: optional(
    hostAndPort,
    'Where the magic packet goes; default: every broadcast, port 9.',
  ),
  NAS_PROBE_INTERVAL_SECONDS: setting('30', number(1, 3_600), 'How often the NAS is looked for.'),
  NAS_POWER_THRESHOLD_WATTS: setting(
    '30',
    number(0, 10_000),
    'From here up the NAS counts as running.',
  ),
  NAS_BOOT_TIMEOUT_SECONDS: setting('180', number(1, 3_600), 'How long a wake may take.'),
  WAKE_ON_MISS: setting('true', flag, 'Whether reading a file that is not kept wakes the NAS.'),
  WAKE_HOLD_SECONDS: setting('25', number(0, 110), 'How long such a reader is held.'),
  SECRET_KEY: optional(
    secretKey,
    "Signs the Pi's tokens and encrypts stored credentials; default: made in a new data folder.",
  ),
  OFFLINE_GRACE_HOURS: setting('72', number(0, 8_760), 'How long sign-ins last without the NAS.'),
  ENROL: setting(
    'auto',
    oneOf('auto', 'off'),
    'Whether the Pi registers itself as a device per user.',
  ),
  DESKTOP_REFRESH: setting(
    'auto',
    oneOf('auto', 'off'),
    'Whether paired desktops go on with tokens of the Pi.',
  ),
  CACHE_MAX_SIZE_GB: setting('200', number(0, FAR), 'Most the cache may take.'),
  CACHE_EVICTION_THRESHOLD: setting(
    '0.85',
    number(0.01, 1),
    'Share of that from which on it evicts.',
  ),
  CACHE_MIN_FREE_GB: setting('2', number(0, FAR), 'What stays free on the disk.'),
  UPLOAD_MAX_FILE_GB: setting(
    '10',
    number(0, FAR),
    'Largest file an upload may hold, and largest request.',
  ),
  MEMORY_HIGH_MB: setting(
    '500',
    number(1, FAR),
    'Memory from which on downloads and lists are refused; the MemoryHigh of a service counts first.',
  ),
  FLUSH_WAKE: optional(flushWake, 'Lets the queue wake the NAS: daily HH:MM, or <n>h old.'),
  CHANGES_ASLEEP: setting(
    'on',
    oneOf('on', 'off'),
    'Whether deletes, renames, moves and new folders are taken while the NAS sleeps.',
  ),
  ENERGY_SAMPLE_INTERVAL_SECONDS: setting('30', number(1, 3_600), 'How often a plug is read.'),
  ENERGY_RAW_RETENTION_DAYS: setting('7', number(1, 3_650), 'How long single samples are kept.'),
  ENERGY_HOURLY_RETENTION_DAYS: setting('365', number(1, 36_500), 'How long hours are kept.'),
  ENERGY_DEFAULT_PRICE_CENTS: setting(
    '32.0',
    number(0, 100_000),
    'Price of a kWh without a tariff.',
  ),
  ENERGY_CO2_G_PER_KWH: optional(
    number(0, 10_000),
    'CO2 of a kWh in grams; the page Energy tells it where this is set.',
  ),
  ENERGY_COMMIT_SECONDS: setting('60', number(1, 3_600), 'How often samples are written.'),
  TAPO_USERNAME: optional(text, 'Account of the Tapo app.'),
  TAPO_PASSWORD: optional(text, 'Its password.'),
  TAPO_DRIVER: setting(
    'auto',
    oneOf('auto', 'klap', 'tpap', 'connect'),
    'How plugs are spoken to.',
  ),
  TAPO_DISCOVERY_ADDRESS: optional(
    list(hostAndPort),
    'Where plugs are searched; default: broadcasts.',
  ),
  PIHOLE_URL: optional(httpUrl, 'The Pi-hole that knows DNS_NAME, such as http://192.168.178.3.'),
  PIHOLE_PASSWORD: setting('', text, 'Its password, or an app password of it.'),
  DNS_NAME: optional(
    dnsName,
    'Name that points at the Pi while the NAS sleeps, such as baluhost.home.arpa.',
  ),
  DNS_MODE: setting(
    'sleep',
    oneOf('sleep', 'always'),
    'always lets DNS_NAME point at the Pi while the NAS is up, too.',
  ),
  HANDSHAKE_SECRET: optional(text, 'Shared with the NAS for its goodbye and hello.'),
  BACKUP_DIR: optional(
    text,
    'Folder on a disk of its own that the nightly backup goes to, and `balupi backup` when none is named.',
  ),
  BACKUP_USER: optional(text, 'NAS user whose home there gets the nightly backup as well.'),
  BACKUP_PASSPHRASE_FILE: optional(
    text,
    'File with the passphrase of backups, which only `balupi` reads; without one they hold no secrets.',
  ),
  PUSH_CONTACT: setting(
    'mailto:balupi@example.com',
    contact,
    'Whom a browser maker asks when messages of this Pi make trouble: mailto:… or https://….',
  ),
  NOTICE_LANGUAGE: setting(
    'en',
    oneOf(...WORDS.languages.map(({ id }) => id)),
    'Language of what goes to NOTICE_URL.',
  ),
  NOTICE_URL: optional(
    httpUrl,
    'Where the flow `notices-house` posts what everybody may know, such as a topic of ntfy.',
  ),
  CORS_ORIGINS: setting('', list(origin), 'Web origins that may call the API.'),
  EDITOR: setting('off', oneOf('on', 'off'), 'on opens the flow editor for NAS admins.'),
  EDITOR_PORT: setting('1880', port, 'Port of the editor.'),
  EDITOR_HOST: setting('127.0.0.1', text, 'Address of the editor.'),
  SAFE_MODE: setting(
    'off',
    oneOf('on', 'off'),
    'on leaves own tabs and changes of shipped tabs out, to be mended in the editor.',
  ),
  PALETTE: setting(
    'off',
    oneOf('on', 'off'),
    "on lets the editor's palette manager install nodes of others (needs npm on the Pi).",
  ),
} as const;

type SettingName = keyof typeof SETTINGS;
type ValueOf<S> = S extends Setting<infer T, infer M> ? T | M : never;

/** Every setting, parsed and checked. `SECRET_KEY` is always there: reading fails without it. */
export type Settings = { readonly [N in SettingName]: ValueOf<(typeof SETTINGS)[N]> } & {
  readonly SECRET_KEY: string;
};

export type SettingsResult =
  | { readonly kind: 'settings'; readonly settings: Settings; readonly unused: readonly string[] }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

const PREFIX = 'BALUPI_';
/** Never shown in a fault, and removed from the environment, which flows can read. */
export const SECRET_NAMES: ReadonlySet<string> = new Set([
  'SECRET_KEY',
  'TAPO_PASSWORD',
  'HANDSHAKE_SECRET',
  'PIHOLE_PASSWORD',
]);

function readOne(
  name: SettingName,
  text: string | undefined,
): { value: unknown } | { fault: string } {
  const { parse, standard, missing } = SETTINGS[name] as Setting<unknown, unknown>;
  const given = text === undefined || text.trim() === '' ? standard : text.trim();
  if (given === null) {
    if (name !== 'SECRET_KEY') return { value: missing };
    return {
      fault: `${PREFIX}SECRET_KEY is missing: this data folder was begun with one, and its sealed credentials need it.`,
    };
  }
  try {
    return { value: parse(given) };
  } catch (error) {
    if (!(error instanceof SettingFault)) throw error;
    const got = SECRET_NAMES.has(name) ? `${given.length} characters` : `'${given}'`;
    return { fault: `${PREFIX}${name} is ${got}, wanted ${error.message}.` };
  }
}

function crossFaults(values: Partial<Record<SettingName, unknown>>): string[] {
  const faults: string[] = [];
  const url = values.NAS_URL;
  if (values.NAS_TLS_FINGERPRINT && typeof url === 'string' && !url.startsWith('https:')) {
    faults.push(`${PREFIX}NAS_TLS_FINGERPRINT is set, wanted an https ${PREFIX}NAS_URL with it.`);
  }
  if ((values.TAPO_USERNAME === null) !== (values.TAPO_PASSWORD === null)) {
    faults.push(`${PREFIX}TAPO_USERNAME and ${PREFIX}TAPO_PASSWORD go together; one is missing.`);
  }
  if ((values.PIHOLE_URL === null) !== (values.DNS_NAME === null)) {
    faults.push(`${PREFIX}PIHOLE_URL and ${PREFIX}DNS_NAME go together; one is missing.`);
  }
  if (typeof url === 'string' && URL.parse(url)?.hostname === values.DNS_NAME) {
    faults.push(
      `${PREFIX}NAS_URL names ${PREFIX}DNS_NAME, wanted the address of the NAS itself: that name ` +
        'points at the Pi while the NAS sleeps.',
    );
  }
  return faults;
}

/**
 * Turns an environment into settings.
 * @param environment names with their prefix, `.env` already merged in
 * @returns the settings and the unknown names, or every fault at once
 */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
): SettingsResult {
  const values: Partial<Record<SettingName, unknown>> = {};
  const faults: string[] = [];
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const read = readOne(name, environment[PREFIX + name]);
    if ('fault' in read) faults.push(read.fault);
    else values[name] = read.value;
  }
  faults.push(...crossFaults(values));
  if (faults.length > 0) return { kind: 'faults', faults };
  const unused = Object.keys(environment).filter(
    (name) => name.startsWith(PREFIX) && !(name.slice(PREFIX.length) in SETTINGS),
  );
  return { kind: 'settings', settings: values as unknown as Settings, unused };
}
