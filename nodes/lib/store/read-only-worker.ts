import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type { QueryOutcome, Question } from './read-only-query.ts';

/** The thread of one query (read-only-query.ts). */

function answer({ file, sql, params, mostRows }: Question): QueryOutcome {
  try {
    const database = new DatabaseSync(file, { readOnly: true });
    const rows: Record<string, unknown>[] = [];
    const given = params as Record<string, SQLInputValue>;
    for (const row of database.prepare(sql).iterate(given)) {
      if (rows.length === mostRows) return { kind: 'rows', rows, isCut: true };
      rows.push({ ...row });
    }
    return { kind: 'rows', rows, isCut: false };
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.postMessage(answer(workerData as Question));
