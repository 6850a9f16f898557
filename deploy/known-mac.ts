import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ServerRows } from '../nodes/lib/nas/nas.ts';
import { normaliseMac } from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { QUEUE_MIGRATIONS } from '../nodes/lib/store/databases.ts';
import { Store } from '../nodes/lib/store/store.ts';
import type { Settings } from '../settings.ts';

/**
 * The MAC address by which the NAS is woken: from the settings, else as a running BaluPi learnt it.
 * @returns null where none is known, or the database that has it cannot be read
 */
export function knownMac(settings: Settings): string | null {
  if (settings.NAS_MAC_ADDRESS !== null) return normaliseMac(settings.NAS_MAC_ADDRESS);
  const file = join(resolve(settings.DATA_DIR), 'queue.db');
  if (!existsSync(file)) return null;
  const folder = mkdtempSync(join(tmpdir(), 'balupi-look-'));
  try {
    return learntMac(file, folder);
  } catch (error) {
    // A damaged database is put right by the next start, and whoever asks has more to say.
    if (error instanceof Error) return null;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * In a copy, never in the database itself: whoever closes that as the last one by its locks takes
 * its log away, and a running BaluPi would go on writing to a log that nobody finds again. It cannot
 * be relied on that it holds a lock: the kernel lets all those of a process go with any descriptor of
 * the file that it closes (fcntl(2)).
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
