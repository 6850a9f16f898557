import { DatabaseSync } from 'node:sqlite';

/**
 * Loaded before BaluPi: its databases do not sync their log at a commit, as with
 * synchronous=NORMAL. The control of the power cut proof: with it something must be lost.
 */
const weakened = new WeakSet<DatabaseSync>();
const exec = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'exec')?.value as (
  this: DatabaseSync,
  sql: string,
) => void;

DatabaseSync.prototype.exec = function weakExec(this: DatabaseSync, sql: string): void {
  // After BaluPi's own check when it opens a database.
  if (sql.startsWith('BEGIN') && !weakened.has(this)) {
    weakened.add(this);
    exec.call(this, 'PRAGMA synchronous = NORMAL');
  }
  exec.call(this, sql);
};
