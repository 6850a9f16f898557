/** A start that cannot go on, in words for the person who starts it. */
export class StartFault extends Error {
  override readonly name = 'StartFault';
}

/** Faults whose own message is meant for that person already, by their name. */
const SAID_WELL = new Set([
  'StartFault',
  'FlowFileError',
  'PortError',
  'DataFolderInUseError',
  'SchemaTooNewError',
]);

const DISK_WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'its disk is read-only',
  ENOSPC: 'its disk is full',
  ENOTDIR: 'there is a file in its place or above it',
  EEXIST: 'there is a file in its place',
};

/** What is printed about a start that failed: one clear line where the reason is known. */
export function wordsOfFault(error: unknown): string {
  const { name, message, code, stack } = error as NodeJS.ErrnoException;
  if (SAID_WELL.has(name)) return message;
  if (code === 'ERR_SQLITE_ERROR') {
    return `A database in the data folder (BALUPI_DATA_DIR) cannot be opened: ${message}.`;
  }
  const disk = code === undefined ? undefined : DISK_WORDS[code];
  if (disk !== undefined) return `The data folder (BALUPI_DATA_DIR) cannot be used: ${disk}.`;
  return String(stack ?? error);
}
