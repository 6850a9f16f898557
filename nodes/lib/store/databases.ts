import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { SchemaVersionError } from './database-file.ts';
import { CACHE_SCHEMA, THUMBNAIL_SCHEMA } from './schema/cache-schema.ts';
import { ENERGY_MIGRATIONS } from './schema/energy-schema.ts';
import { ACTIVITY_SCHEMA, NOTICES_SCHEMA, QUEUE_SCHEMA } from './schema/queue-schema.ts';
import type { Migration, Store } from './store.ts';

export { ENERGY_MIGRATIONS } from './schema/energy-schema.ts';

/**
 * The three files, by what losing them costs: `queue` holds accepted uploads and sign-ins, `cache`
 * can be rebuilt from the NAS, `energy` may lose its last minute.
 *
 * Each begins with one step, numbered as the last of those it was folded from before the first
 * release, so that older databases open unchanged. Further changes are further steps.
 */
export const QUEUE_MIGRATIONS: readonly Migration[] = [
  { version: 17, sql: QUEUE_SCHEMA },
  { version: 18, sql: NOTICES_SCHEMA },
  { version: 19, sql: ACTIVITY_SCHEMA },
];
export const CACHE_MIGRATIONS: readonly Migration[] = [
  { version: 10, sql: CACHE_SCHEMA },
  { version: 11, sql: THUMBNAIL_SCHEMA },
];

/**
 * What the queue database must not trust after a time without reads or writes: anybody who signed
 * out meanwhile would be signed in again. Everybody signs in again; nothing accepted is touched.
 */
export const DISTRUST_PEOPLE = `
DELETE FROM page_sessions;
DELETE FROM pi_sessions;
DELETE FROM refresh_tokens;
DELETE FROM paired_desktops;
DELETE FROM push_devices;
DELETE FROM token_verdicts WHERE ended_at_ms IS NULL;
DELETE FROM password_verifiers;
`;

/** What a backup must not restore: it does not know what ended after it was made. */
const ENDS_WITH_A_RESTORE = ['DELETE FROM paired_desktops', 'DELETE FROM push_devices'] as const;

/** @param queue the database of that name, which a backup puts back */
export function endWithRestore(queue: Store): void {
  for (const sql of ENDS_WITH_A_RESTORE) queue.prepare(sql).run();
}

/**
 * For a cache whose state is unknown: its ids must differ from those apps remember, which mean
 * other files.
 */
export const STRANGE_IDS = `
UPDATE sqlite_sequence SET seq = 1500000000 + abs(random() % 500000000) WHERE name = 'file_ids';
`;

/**
 * For a restored older cache: ids given since then are remembered by apps and mean other files. A
 * folder has 100,000 files at most, and ids may reach 2^31.
 */
export const SKIP_USED_IDS = `
UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'file_ids';
`;

/** A new cache next to the files of the previous one, which no row knows any more. */
export const SWEEP_SOON = `
UPDATE cache_care SET ended_in_order = 0;
`;

/** A history may have outlived its plug's row, and a new plug must not inherit it. */
export const PLUG_NUMBERS_STAY_GIVEN: readonly string[] = [
  `INSERT INTO sqlite_sequence (name, seq) SELECT 'tapo_devices', 0
   WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'tapo_devices')`,
  `UPDATE sqlite_sequence SET seq = (
     SELECT max(number) FROM (
       SELECT seq AS number
       UNION ALL SELECT max(device_number) FROM energy_samples
       UNION ALL SELECT max(device_number) FROM energy_five_minutes
       UNION ALL SELECT max(device_number) FROM energy_hourly
       UNION ALL SELECT max(device_number) FROM energy_daily))
   WHERE name = 'tapo_devices'`,
];

/** As {@link DISTRUST_PEOPLE}: shares and listings of that time are fetched again. Entries stay. */
export const DISTRUST_CACHE = `
DELETE FROM share_grants;
DELETE FROM file_metadata_cache;
DELETE FROM listings;
DELETE FROM kept_answers;
`;

const DATABASES = {
  queue: QUEUE_MIGRATIONS,
  cache: CACHE_MIGRATIONS,
  energy: ENERGY_MIGRATIONS,
} as const;

/** Where a database's header has its `user_version`, four bytes (sqlite.org/fileformat2.html, 1.3). */
const USER_VERSION_AT = 60;

/**
 * Whether this version knows the schemas of the databases in a folder. It reads their headers and
 * opens none of them, so they may be in use.
 * @throws SchemaVersionError for the first that this version cannot go on from
 */
export function checkSchemas(folder: string): void {
  for (const [name, migrations] of Object.entries(DATABASES)) {
    const found = userVersionIn(join(folder, `${name}.db`));
    const unknown = SchemaVersionError.of(name, found, migrations);
    if (unknown !== null) throw unknown;
  }
}

/** @returns 0 where there is no database yet */
function userVersionIn(file: string): number {
  const bytes = Buffer.alloc(4);
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  try {
    return readSync(handle, bytes, 0, 4, USER_VERSION_AT) === 4 ? bytes.readUInt32BE() : 0;
  } finally {
    closeSync(handle);
  }
}
