import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { DamagedDatabaseError, isDamage, setAside } from './damage.ts';
import { DatabaseStartError } from './database-start-error.ts';
import { faultOf } from './disk-fault.ts';
import { salvage, type Salvaged, takeUpSalvage } from './salvage.ts';
import { SchemaVersionError } from './schema-version-error.ts';
import { Store, type StoreOptions } from './store.ts';

/** What becomes of a database that is damaged. */
export interface SoundOptions extends StoreOptions {
  /** SQL that is run in the empty one that takes its place. */
  readonly afterLoss?: string;
  /** Its rows are gathered page by page; statements to run behind that. */
  readonly afterSalvage?: readonly string[];
}

/** A damaged database that this start put out of the way. */
export interface SetAside {
  readonly database: string;
  /** What it is called now, in the data folder. */
  readonly name: string;
  /** Rows that are in its successor; null where none are looked for, or there is no room for them. */
  readonly salvagedRows: number | null;
}

export interface Look {
  /** The last run did not end in order, or the file is not as that left it. */
  readonly isSuspect: boolean;
  /** There were databases in this folder before. */
  readonly wasUsed: boolean;
  readonly nowMs: number;
}

/**
 * Opens a database, whatever state its file is in. A damaged one is moved aside, whole, and another
 * takes its place: empty, or with what could be salvaged.
 * @throws SchemaVersionError
 * @throws DatabaseStartError what the disk throws, with the database's name
 */
export function openSound(
  options: SoundOptions,
  look: Look,
): { readonly store: Store; readonly aside: SetAside | null } {
  try {
    takeUpSalvage(options.file);
    try {
      return { store: openChecked(options, look), aside: null };
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const aside = putAside(options, look.nowMs);
    return { store: successor(options, aside), aside };
  } catch (error) {
    if (error instanceof SchemaVersionError) throw error;
    throw new DatabaseStartError(basename(options.file), error);
  }
}

function openChecked(options: SoundOptions, { isSuspect, wasUsed }: Look): Store {
  // SQLite takes an empty file for a new database, and drops the log that lies beside it.
  if (wasUsed && isEmptied(options.file)) throw new DamagedDatabaseError(options.name, 'empty');
  const store = Store.open(options);
  if (!isSuspect) return store;
  try {
    const fault = store.fault();
    if (fault !== null) throw new DamagedDatabaseError(options.name, fault);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

function isEmptied(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.size === 0;
}

function putAside(options: SoundOptions, nowMs: number): SetAside {
  const salvaged = options.afterSalvage === undefined ? null : tryToSalvage(options);
  const name = setAside(options.file, nowMs);
  salvaged?.moveIn();
  return { database: options.name, name, salvagedRows: salvaged?.rows ?? null };
}

/** A house without its past is better than none: without room for it, it stays where it lies. */
function tryToSalvage(options: SoundOptions): Salvaged | null {
  try {
    return salvage(options, options.afterSalvage ?? []);
  } catch (error) {
    if (faultOf(error) === null) throw error;
    return null;
  }
}

function successor(options: SoundOptions, { salvagedRows }: SetAside): Store {
  const store = Store.open(options);
  if (salvagedRows === null) store.exec(options.afterLoss ?? '');
  return store;
}
