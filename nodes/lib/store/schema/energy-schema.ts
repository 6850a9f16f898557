import type { Migration } from '../store.ts';

/**
 * The energy database: the plugs and what they measured. Times are epoch seconds, energies mWh, powers
 * mW, money micro-cents (`_uc`), all whole numbers. `device_number` 0 is the household: the sum over
 * all plugs. `estimated` of a bucket is 1 for estimated, 2 for corrected, 3 for both.
 */
const ENERGY_SCHEMA = `
-- Plugs. device_number is the short integer the apps and the samples use; AUTOINCREMENT, because a
-- number given away again would show a removed plug's history under a new one. The plug's two ids and
-- its MAC are null until learned; discovery_id is what it calls itself by UDP. old_protocol_mac is
-- the MAC address for which an admin confirmed the old protocol AES, in which the password goes to
-- whoever answers. forgotten_at is null for those that are kept; a forgotten one keeps its number,
-- and with it its history, until its MAC comes back, and the role nas is free meanwhile.
-- role_before_nas is what it was before it fed the NAS, which it is again when another one does.
CREATE TABLE tapo_devices (
  device_number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  is_named INTEGER NOT NULL CHECK (is_named IN (0, 1)),
  role TEXT NOT NULL CHECK (role IN ('nas', 'monitor', 'generic')),
  ip_address TEXT NOT NULL,
  port INTEGER NOT NULL,
  device_id TEXT UNIQUE,
  discovery_id TEXT UNIQUE,
  mac_address TEXT UNIQUE,
  model TEXT NOT NULL,
  firmware TEXT NOT NULL,
  protocol TEXT CHECK (protocol IN ('klap', 'aes', 'tpap')),
  state TEXT NOT NULL,
  last_seen_at INTEGER,
  created_at INTEGER NOT NULL,
  old_protocol_mac TEXT,
  forgotten_at INTEGER,
  role_before_nas TEXT
    CHECK (role_before_nas IN ('monitor', 'generic'))
) STRICT;
CREATE UNIQUE INDEX tapo_devices_one_nas ON tapo_devices (role)
  WHERE role = 'nas' AND forgotten_at IS NULL;

-- Ids of plugs that are gone for good, with the name they had: others may have been told of them.
CREATE TABLE tapo_gone (
  id TEXT PRIMARY KEY,
  gone_at INTEGER NOT NULL,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Raw samples are clustered by time and plug, so that one commit a minute touches one page. Both are
-- one integer, place = at_s * 65536 + device_number: only a table with an integer key has SQLite's
-- fast path for appending (measured, 5 plugs: 11.8 MB written a day, against 17.9 MB with PRIMARY KEY
-- (at_s, device_number) WITHOUT ROWID, whose last pages are rebalanced every 30 rows).
CREATE TABLE energy_samples (
  place INTEGER PRIMARY KEY,
  at_s INTEGER GENERATED ALWAYS AS (place >> 16) VIRTUAL,
  device_number INTEGER GENERATED ALWAYS AS (place & 65535) VIRTUAL,
  power_mw INTEGER NOT NULL,
  voltage_mv INTEGER,
  current_ma INTEGER,
  today_wh INTEGER,
  month_wh INTEGER,
  relay_on INTEGER NOT NULL
) STRICT;

-- By time and then plug: what one hour adds lies together at the end of the table. By plug, every
-- hour's rows went amid those of others, whose pages were split and written anew: 15 pages an hour
-- with five plugs, against 2 (measured).
CREATE TABLE energy_five_minutes (
  start_s INTEGER NOT NULL,
  device_number INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  covered_s INTEGER NOT NULL,
  avg_mw INTEGER NOT NULL,
  min_mw INTEGER NOT NULL,
  max_mw INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  feed_in_mwh INTEGER NOT NULL,
  PRIMARY KEY (start_s, device_number)
) STRICT, WITHOUT ROWID;

-- Hours and days are clustered by device, because they are read as one plug's range. feed_in_mwh is
-- what was fed in through a plug, beside what was used.
CREATE TABLE energy_hourly (
  device_number INTEGER NOT NULL,
  start_s INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  covered_s INTEGER NOT NULL,
  avg_mw INTEGER NOT NULL,
  min_mw INTEGER NOT NULL,
  max_mw INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  cost_uc INTEGER NOT NULL,
  price_id INTEGER NOT NULL,
  feed_in_mwh INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device_number, start_s)
) STRICT, WITHOUT ROWID;
CREATE TABLE energy_daily (
  device_number INTEGER NOT NULL,
  day TEXT NOT NULL,
  start_s INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  covered_s INTEGER NOT NULL,
  avg_mw INTEGER NOT NULL,
  min_mw INTEGER NOT NULL,
  max_mw INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  cost_uc INTEGER NOT NULL,
  feed_in_mwh INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device_number, day)
) STRICT, WITHOUT ROWID;

-- What hours and days in which the price changed cost, by price.
CREATE TABLE energy_hour_tariffs (
  device_number INTEGER NOT NULL,
  start_s INTEGER NOT NULL,
  price_id INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  cost_uc INTEGER NOT NULL,
  PRIMARY KEY (device_number, start_s, price_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE energy_daily_tariffs (
  device_number INTEGER NOT NULL,
  day TEXT NOT NULL,
  price_id INTEGER NOT NULL,
  energy_mwh INTEGER NOT NULL,
  cost_uc INTEGER NOT NULL,
  PRIMARY KEY (device_number, day, price_id)
) STRICT, WITHOUT ROWID;

-- Prices as they are sold: windows by the minute, below zero, with VAT and a fee. One whose
-- has_slots is set takes what a kWh costs from energy_price_slots.
CREATE TABLE energy_price_config (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  price_uc_per_kwh INTEGER NOT NULL,
  valid_from_s INTEGER,
  valid_to_s INTEGER,
  weekdays TEXT,
  from_minute INTEGER,
  to_minute INTEGER,
  is_active INTEGER NOT NULL,
  vat_percent REAL,
  base_fee_uc INTEGER,
  has_slots INTEGER NOT NULL,
  created_at_s INTEGER NOT NULL,
  deleted_at_s INTEGER
) STRICT;
CREATE TABLE energy_price_slots (
  price_id INTEGER NOT NULL,
  start_s INTEGER NOT NULL,
  end_s INTEGER NOT NULL,
  price_uc_per_kwh INTEGER NOT NULL,
  PRIMARY KEY (price_id, start_s)
) STRICT, WITHOUT ROWID;

CREATE TABLE energy_meters (
  device_number INTEGER PRIMARY KEY,
  at_s INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT;
CREATE TABLE energy_gap_hours (
  device_number INTEGER NOT NULL,
  start_s INTEGER NOT NULL,
  energy_wh INTEGER NOT NULL,
  PRIMARY KEY (device_number, start_s)
) STRICT, WITHOUT ROWID;
CREATE TABLE energy_nas_hours (
  start_s INTEGER PRIMARY KEY,
  asleep_s INTEGER NOT NULL,
  asleep_mwh INTEGER NOT NULL,
  idle_s INTEGER NOT NULL,
  idle_mwh INTEGER NOT NULL,
  price_uc_per_kwh INTEGER NOT NULL
) STRICT;

-- What admins put right, and what the hours they touched were before. energy_mwh is null where a
-- range is cleared.
CREATE TABLE energy_corrections (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device_number INTEGER NOT NULL,
  from_s INTEGER NOT NULL,
  to_s INTEGER NOT NULL,
  energy_mwh INTEGER,
  original_mwh INTEGER,
  why TEXT NOT NULL,
  made_by TEXT NOT NULL,
  made_at_s INTEGER NOT NULL,
  undone_by TEXT,
  undone_at_s INTEGER
) STRICT;
CREATE INDEX energy_corrections_by_time ON energy_corrections (device_number, from_s);
CREATE TABLE energy_originals (
  device_number INTEGER NOT NULL,
  start_s INTEGER NOT NULL,
  buckets TEXT NOT NULL,
  PRIMARY KEY (device_number, start_s)
) STRICT, WITHOUT ROWID;

-- Whose history a plug took over, by whom and when; its raw samples stay under the old number.
CREATE TABLE energy_successors (
  device_number INTEGER PRIMARY KEY,
  successor_number INTEGER NOT NULL,
  made_by TEXT NOT NULL,
  made_at_s INTEGER NOT NULL
) STRICT;

-- What the counters for others are ahead of what is stored, since the past was put right. The cost and
-- credit of the household are those of plug 0.
CREATE TABLE energy_counters (
  device_number INTEGER PRIMARY KEY,
  energy_mwh INTEGER NOT NULL,
  feed_in_mwh INTEGER NOT NULL,
  cost_uc INTEGER NOT NULL,
  credit_uc INTEGER NOT NULL
) STRICT;

-- The zone that the stored days are of.
CREATE TABLE energy_calendar (
  zone TEXT NOT NULL,
  since_s INTEGER NOT NULL
) STRICT;
`;

export const ENERGY_MIGRATIONS: readonly Migration[] = [{ version: 9, sql: ENERGY_SCHEMA }];
