import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const database = new DatabaseSync(workerData as string);
// What its WAL holds goes into the file itself, which can then be read and moved alone.
database.exec('PRAGMA journal_mode = DELETE');
const found = database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'];
database.close();
parentPort?.postMessage(String(found));
