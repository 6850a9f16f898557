import { faultOf } from './disk-fault.ts';

/** What helps, by how the disk refuses. */
const HELP = {
  full: 'Make room on the disk of the data folder (see: df -h), then start again.',
  failing:
    'Look whether its disk is mounted for writing and who owns the file (see: mount, ls -l, ' +
    'dmesg), then start again.',
} as const;

/** A database in the data folder cannot be opened, and not because of what it holds. */
export class DatabaseStartError extends Error {
  constructor(name: string, cause: unknown) {
    const { message } = cause as Error;
    const help = HELP[faultOf(cause) ?? 'failing'];
    super(`${name} in the data folder (BALUPI_DATA_DIR) cannot be opened: ${message}. ${help}`, {
      cause,
    });
    this.name = 'DatabaseStartError';
  }
}
