import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { normaliseMac, ServerRows } from '../nodes/lib/nas/nas.ts';
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
  try {
    return learntMac(file);
  } catch (error) {
    // A damaged database is put right by the next start, and whoever asks has more to say.
    if (error instanceof Error) return null;
    throw error;
  }
}

function learntMac(file: string): string | null {
  const store = Store.open({
    file,
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
