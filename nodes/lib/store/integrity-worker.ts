import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { isDamage } from './database-file.ts';
import type { IntegrityOrder } from './integrity.ts';

const { file, isInUse } = workerData as IntegrityOrder;

/** @returns what is wrong; `ok` where nothing is */
function look(): string {
  const database = open();
  try {
    const pragma = isInUse ? 'quick_check' : 'integrity_check';
    return String(database.prepare(`PRAGMA ${pragma}(1)`).get()?.[pragma]);
  } finally {
    database.close();
  }
}

function open(): DatabaseSync {
  // No lock is taken, no log is read and none is created.
  if (isInUse)
    return new DatabaseSync(`${pathToFileURL(file).href}?immutable=1`, { readOnly: true });
  const database = new DatabaseSync(file);
  // Its WAL is folded into the file, which can then be read and moved alone.
  database.exec('PRAGMA journal_mode = DELETE');
  return database;
}

function found(): string {
  try {
    return look();
  } catch (error) {
    if (!isInUse || !isDamage(error)) throw error;
    return (error as Error).message;
  }
}

parentPort?.postMessage(found());
