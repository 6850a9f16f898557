import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_MIGRATIONS, ENERGY_MIGRATIONS, QUEUE_MIGRATIONS } from './databases.ts';
import { SchemaVersionError } from './schema-version-error.ts';

const DATABASES = {
  queue: QUEUE_MIGRATIONS,
  cache: CACHE_MIGRATIONS,
  energy: ENERGY_MIGRATIONS,
} as const;

/** Where a database's header has its `user_version`, four bytes (sqlite.org/fileformat2.html, 1.3). */
const USER_VERSION_AT = 60;

/**
 * Whether this version knows the schemas of the databases in a folder. It reads their headers and
 * opens none of them, so they may be in use.
 * @throws SchemaVersionError for the first that this version cannot go on from
 */
export function checkSchemas(folder: string): void {
  for (const [name, migrations] of Object.entries(DATABASES)) {
    const found = userVersionIn(join(folder, `${name}.db`));
    const unknown = SchemaVersionError.of(name, found, migrations);
    if (unknown !== null) throw unknown;
  }
}

/** @returns 0 where there is no database yet */
function userVersionIn(file: string): number {
  const bytes = Buffer.alloc(4);
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  try {
    return readSync(handle, bytes, 0, 4, USER_VERSION_AT) === 4 ? bytes.readUInt32BE() : 0;
  } finally {
    closeSync(handle);
  }
}
