import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Sent } from './ledger.ts';

/** Files of a stopped BaluPi that belong to no row. */
export function orphansIn(dataFolder: string): string[] {
  const queue = join(dataFolder, 'queue');
  const wanted = new Set([...idsWithBytes(dataFolder), ...intentFiles(dataFolder)]);
  const faults: string[] = [];
  for (const entry of readdirSync(queue, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /^ends-.*\.log$/.test(entry.name)) continue;
    if (!wanted.delete(entry.name)) faults.push(`${entry.name} has no row`);
  }
  for (const name of wanted) faults.push(`a row names ${name}, which is not there`);
  return faults;
}

/**
 * Acknowledged uploads that are complete neither on this disk nor on the NAS.
 * @param delivered SHA-256 of everything the NAS was given
 */
export function lostFrom(
  dataFolder: string,
  acknowledged: readonly Sent[],
  delivered: ReadonlySet<string>,
): Sent[] {
  const kept = idsWithBytes(dataFolder);
  return acknowledged.filter(({ acknowledgedAs, sha256 }) => {
    if (delivered.has(sha256) || acknowledgedAs === null) return false;
    const file = join(dataFolder, 'queue', acknowledgedAs);
    if (!kept.has(acknowledgedAs) || !existsSync(file)) return true;
    return createHash('sha256').update(readFileSync(file)).digest('hex') !== sha256;
  });
}

/** @throws Error when SQLite finds one of the databases damaged */
export function checkDatabases(dataFolder: string): void {
  for (const name of ['queue', 'cache', 'energy']) {
    const database = new DatabaseSync(join(dataFolder, `${name}.db`));
    try {
      const found = database.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
      if (found !== 'ok') throw new Error(`${name}.db is damaged: ${String(found)}`);
    } finally {
      database.close();
    }
  }
}

function intentFiles(dataFolder: string): Set<string> {
  const database = new DatabaseSync(join(dataFolder, 'queue.db'));
  try {
    const rows = database
      .prepare('SELECT DISTINCT intent_file FROM upload_queue WHERE intent_file IS NOT NULL')
      .all();
    return new Set(rows.map((row) => String(row['intent_file'])));
  } finally {
    database.close();
  }
}

function idsWithBytes(dataFolder: string): Set<string> {
  const database = new DatabaseSync(join(dataFolder, 'queue.db'));
  try {
    // A disk that lost its last commits may have lost the very first ones.
    const tables = database
      .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'upload_queue'")
      .all();
    if (tables.length === 0) return new Set();
    const rows = database.prepare('SELECT id FROM upload_queue WHERE has_bytes = 1').all();
    return new Set(rows.map((row) => String(row['id'])));
  } finally {
    database.close();
  }
}
