/**
 * Tables of the tapo room.
 *
 * `device_number` is the short integer the apps and the samples use; AUTOINCREMENT, because a
 * number given away again would show a removed plug's history under a new one. The plug's two ids
 * and its MAC are null until learned; `discovery_id` is what it calls itself by UDP.
 */
export const TAPO_TABLES = `
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
  protocol TEXT CHECK (protocol IN ('klap', 'aes')),
  state TEXT NOT NULL,
  last_seen_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX tapo_devices_one_nas ON tapo_devices (role) WHERE role = 'nas';
`;

/**
 * The MAC address for which an admin confirmed the old protocol AES, in which the password goes to
 * whoever answers. Null for all plugs from before: they are asked for anew.
 */
export const TAPO_OLD_PROTOCOL = `
ALTER TABLE tapo_devices ADD COLUMN old_protocol_mac TEXT;
`;

/** The table as it was, but that TPAP is a protocol too; a number that was given stays given. */
export const TAPO_TPAP = `
CREATE TABLE tapo_devices_next (
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
  old_protocol_mac TEXT
) STRICT;
INSERT INTO tapo_devices_next SELECT * FROM tapo_devices;
DELETE FROM sqlite_sequence WHERE name = 'tapo_devices_next';
INSERT INTO sqlite_sequence (name, seq)
  SELECT 'tapo_devices_next', seq FROM sqlite_sequence WHERE name = 'tapo_devices';
DROP TABLE tapo_devices;
ALTER TABLE tapo_devices_next RENAME TO tapo_devices;
CREATE UNIQUE INDEX tapo_devices_one_nas ON tapo_devices (role) WHERE role = 'nas';
`;

/**
 * When a plug was forgotten; null for those that are kept. A forgotten one keeps its number, and
 * with it its history, until its MAC comes back. The role `nas` is free meanwhile.
 */
export const TAPO_FORGOTTEN = `
ALTER TABLE tapo_devices ADD COLUMN forgotten_at INTEGER;
DROP INDEX tapo_devices_one_nas;
CREATE UNIQUE INDEX tapo_devices_one_nas ON tapo_devices (role)
  WHERE role = 'nas' AND forgotten_at IS NULL;
`;

/**
 * Ids of plugs that are gone for good, with the name they had: others may have been told of them.
 */
export const TAPO_GONE = `
CREATE TABLE tapo_gone (
  id TEXT PRIMARY KEY,
  gone_at INTEGER NOT NULL,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** What a plug was before it fed the NAS, which it is again when another one does. */
export const TAPO_ROLE_BEFORE = `
ALTER TABLE tapo_devices ADD COLUMN role_before_nas TEXT
  CHECK (role_before_nas IN ('monitor', 'generic'));
`;
