import type { Migration } from './store.ts';
import { ACCOUNTS_TABLES } from './schema/accounts-tables.ts';
import { CACHE_TABLES } from './schema/cache-tables.ts';
import { CHANGE_TABLES } from './schema/change-tables.ts';
import { CLOCK_PROOFS } from './schema/clock-proofs.ts';
import { CONFLICT_TABLES, SETTLED_CONFLICTS } from './schema/conflict-tables.ts';
import { CREDENTIALS_TABLES } from './schema/credentials-tables.ts';
import { DESKTOP_TABLES } from './schema/desktop-tables.ts';
import { DEVICE_COLUMNS } from './schema/device-columns.ts';
import { DEVICE_TABLES } from './schema/device-tables.ts';
import {
  ENERGY_CORRECTIONS,
  ENERGY_COUNTERS,
  ENERGY_FEED_IN,
  ENERGY_FINE_BY_TIME,
  ENERGY_SUCCESSORS,
  ENERGY_TABLES,
  ENERGY_TARIFFS,
} from './schema/energy-tables.ts';
import { FILES_TABLES } from './schema/files-tables.ts';
import { FLUSH_WAKE_TABLES } from './schema/flush-wake-tables.ts';
import { HANDSHAKE_TABLES } from './schema/handshake-tables.ts';
import { KEPT_TABLES } from './schema/kept-tables.ts';
import { LISTING_COUNTS } from './schema/listing-counts.ts';
import { NAS_TABLES } from './schema/nas-tables.ts';
import { PAGE_SESSION_TABLES } from './schema/page-session-tables.ts';
import { PERSONS_TABLES } from './schema/persons-tables.ts';
import { PIECE_TABLES } from './schema/piece-tables.ts';
import { PINS_TABLES } from './schema/pins-tables.ts';
import { POLICY_TABLES } from './schema/policy-tables.ts';
import { PREFETCH_TABLES } from './schema/prefetch-tables.ts';
import { REFUSED_FOLDERS } from './schema/refused-folders.ts';
import { RESUMABLE_OWNERS } from './schema/resumable-owners.ts';
import { RESUMABLE_TABLES } from './schema/resumable-tables.ts';
import { SIGNED_OUT_TOKENS } from './schema/signed-out-tokens.ts';
import {
  TAPO_FORGOTTEN,
  TAPO_GONE,
  TAPO_OLD_PROTOCOL,
  TAPO_ROLE_BEFORE,
  TAPO_TABLES,
  TAPO_TPAP,
} from './schema/tapo-tables.ts';
import { UNSEEN_ITEMS } from './schema/unseen-items.ts';
import { UPLOAD_INDEXES } from './schema/upload-indexes.ts';
import { UPLOAD_INTENTS } from './schema/upload-intents.ts';
import { UPLOAD_TABLES } from './schema/upload-tables.ts';
import { WHOLE_LISTINGS } from './schema/whole-listings.ts';

/**
 * The three files, by what losing them costs: `queue` holds what was accepted and who may come in,
 * `cache` can be rebuilt from the NAS, `energy` may lose its last minute.
 */
export const QUEUE_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: [ACCOUNTS_TABLES, NAS_TABLES, UPLOAD_TABLES].join('\n') },
  { version: 2, sql: CREDENTIALS_TABLES },
  { version: 3, sql: RESUMABLE_TABLES },
  { version: 4, sql: PAGE_SESSION_TABLES },
  { version: 5, sql: [CONFLICT_TABLES, FLUSH_WAKE_TABLES].join('\n') },
  { version: 6, sql: HANDSHAKE_TABLES },
  { version: 7, sql: UPLOAD_INDEXES },
  { version: 8, sql: UPLOAD_INTENTS },
  { version: 9, sql: PERSONS_TABLES },
  { version: 10, sql: DEVICE_COLUMNS },
  { version: 11, sql: CLOCK_PROOFS },
  { version: 12, sql: RESUMABLE_OWNERS },
  { version: 13, sql: SIGNED_OUT_TOKENS },
  { version: 14, sql: SETTLED_CONFLICTS },
  { version: 15, sql: DEVICE_TABLES },
  { version: 16, sql: DESKTOP_TABLES },
  { version: 17, sql: CHANGE_TABLES },
];

export const CACHE_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: [FILES_TABLES, CACHE_TABLES].join('\n') },
  { version: 2, sql: PINS_TABLES },
  { version: 3, sql: PIECE_TABLES },
  { version: 4, sql: PREFETCH_TABLES },
  { version: 5, sql: POLICY_TABLES },
  { version: 6, sql: LISTING_COUNTS },
  { version: 7, sql: UNSEEN_ITEMS },
  { version: 8, sql: WHOLE_LISTINGS },
  { version: 9, sql: REFUSED_FOLDERS },
  { version: 10, sql: KEPT_TABLES },
];

export const ENERGY_MIGRATIONS: readonly Migration[] = [
  { version: 1, sql: [TAPO_TABLES, ENERGY_TABLES].join('\n') },
  { version: 2, sql: TAPO_OLD_PROTOCOL },
  { version: 3, sql: TAPO_TPAP },
  { version: 4, sql: TAPO_FORGOTTEN },
  { version: 5, sql: ENERGY_CORRECTIONS },
  { version: 6, sql: ENERGY_TARIFFS },
  { version: 7, sql: ENERGY_SUCCESSORS },
  {
    version: 8,
    sql: [ENERGY_FEED_IN, ENERGY_COUNTERS, TAPO_ROLE_BEFORE, TAPO_GONE].join('\n'),
  },
  { version: 9, sql: ENERGY_FINE_BY_TIME },
];

/**
 * What the queue database must not believe after a time in which nothing could be read or written:
 * whoever signed out then would be in again. Everybody signs in anew; nothing accepted is touched.
 */
export const DISTRUST_PEOPLE = `
DELETE FROM page_sessions;
DELETE FROM pi_sessions;
DELETE FROM refresh_tokens;
DELETE FROM paired_desktops;
DELETE FROM token_verdicts WHERE ended_at_ms IS NULL;
DELETE FROM password_verifiers;
`;

/** What a backup must not bring back: it knows nothing of what ended since it was made. */
export const ENDS_WITH_A_RESTORE = 'DELETE FROM paired_desktops';

/**
 * For a cache that nothing is known of for now: its ids must not be those that apps remember, which
 * mean other files.
 */
export const STRANGE_IDS = `
UPDATE sqlite_sequence SET seq = 1500000000 + abs(random() % 500000000) WHERE name = 'file_ids';
`;

/**
 * For a cache as it was before some time: the ids that were given in that time are those that apps
 * remember, and mean other files. A folder has 100,000 files at most, and ids may reach 2^31.
 */
export const IDS_ANEW = `
UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'file_ids';
`;

/** A cache that begins anew beside the files of the one before, which nobody knows any more. */
export const SWEEP_SOON = `
UPDATE cache_care SET ended_in_order = 0;
`;

/** A history may have outlived its plug's row, and a new plug must not come into it. */
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

/** As {@link DISTRUST_PEOPLE}: what was shared and shown then is asked anew. Copies stay. */
export const DISTRUST_CACHE = `
DELETE FROM share_grants;
DELETE FROM file_metadata_cache;
DELETE FROM listings;
DELETE FROM kept_answers;
`;
