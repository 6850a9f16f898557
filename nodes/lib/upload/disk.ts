import type { Readable } from 'node:stream';
import { DiskRefusedError } from '../store/disk-fault.ts';

/** A file being written. No call is repeated on it after one has failed. */
export interface SpoolHandle {
  /** @returns bytes written, which may be fewer than given */
  writev(buffers: readonly Uint8Array[]): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system as this room needs it: small enough to inject any fault (goal R3). */
export interface Disk {
  /** Creates `file` with mode 0600; fails when it exists. */
  create(file: string): Promise<SpoolHandle>;
  /** Opens a file that is there, to go on behind its first `sizeBytes`; the rest is cut off. */
  goOn(file: string, sizeBytes: number): Promise<SpoolHandle>;
  rename(from: string, to: string): Promise<void>;
  /** Creates a folder and those above it, with mode 0700; one that is there is left as it is. */
  makeFolder(folder: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** Deletes; a file that is not there counts as deleted. */
  remove(file: string): Promise<void>;
  /** @returns bytes, or null where there is no such file */
  sizeOf(file: string): Promise<number | null>;
  /** Names of the files in a folder, without its sub-folders. */
  names(folder: string): AsyncIterable<string>;
  /** Bytes from `firstByte`, `lengthBytes` of them. */
  read(file: string, firstByte: number, lengthBytes: number): Readable;
  /** Bytes that an ordinary user may still write on the file system that holds `folder`. */
  freeBytes(folder: string): Promise<number>;
  /** Looks now: a file that is missing on a disk that is gone is not lost. */
  isWell(): boolean;
}

/** What a failed disk operation means to a caller. */
export type DiskFault = 'no_room' | 'disk_failing';

/**
 * Sorts an error of the disk. EFBIG counts as no room: the file system has a limit and met it.
 * @returns null for an error that no system call made
 */
export function diskFaultOf(error: unknown): DiskFault | null {
  if (error instanceof DiskRefusedError) return error.fault === 'full' ? 'no_room' : 'disk_failing';
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return null;
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(error.code)) return 'no_room';
  if (error.code === 'ERR_SQLITE_ERROR') {
    // SQLITE_FULL is 13 (sqlite.org/rescode.html).
    return 'errcode' in error && error.errcode === 13 ? 'no_room' : 'disk_failing';
  }
  return 'syscall' in error ? 'disk_failing' : null;
}
