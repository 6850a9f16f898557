import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ServerRows } from '../nodes/lib/nas/nas.ts';
import { normaliseMac } from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { QUEUE_MIGRATIONS } from '../nodes/lib/store/databases.ts';
import { Store } from '../nodes/lib/store/store.ts';
import type { Settings } from '../settings.ts';

/**
 * The MAC address that wakes the NAS: from the settings, else as BaluPi learnt it.
 * @returns null if none is known, or the database that has it cannot be read
 */
export function knownMac(settings: Settings): string | null {
  if (settings.NAS_MAC_ADDRESS !== null) return normaliseMac(settings.NAS_MAC_ADDRESS);
  const file = join(resolve(settings.DATA_DIR), 'queue.db');
  if (!existsSync(file)) return null;
  const folder = mkdtempSync(join(tmpdir(), 'balupi-look-'));
  try {
    return learntMac(file, folder);
  } catch (error) {
    // The next start repairs a damaged database; the caller has other findings to report.
    if (error instanceof Error) return null;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Reads a copy, never the database itself: the last process to close that, by its locks, deletes its
 * log, and a running BaluPi would go on writing to a deleted file. Its locks cannot be relied on: the
 * kernel drops all of a process's locks when it closes any descriptor of the file (fcntl(2)).
 */
function learntMac(file: string, folder: string): string | null {
  const copy = join(folder, 'queue.db');
  copyFileSync(file, copy);
  if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
  const store = Store.open({
    file: copy,
    name: 'queue',
    synchronous: 'FULL',
    migrations: QUEUE_MIGRATIONS,
  });
  try {
    return new ServerRows(store).load()?.macAddress ?? null;
  } finally {
    store.close();
  }
}
