import { createHash, type Hash } from 'node:crypto';

/** 32 MiB, which the NAS proposes; smaller chunks are accepted too (measured). */
export const CHUNK_SIZE_BYTES = 33_554_432;

/** One resumable upload, in the memory of the worker that started it. */
export interface ChunkSession {
  readonly uploadId: string;
  readonly userId: number;
  readonly folder: string;
  readonly filename: string;
  readonly totalBytes: number;
  readonly spoolPath: string;
  /** Of the accepted bytes; a chunk that broke off is never included. */
  hash: Hash;
  receivedBytes: number;
  nextIndex: number;
}

export function newSession(
  parts: Pick<
    ChunkSession,
    'uploadId' | 'userId' | 'folder' | 'filename' | 'totalBytes' | 'spoolPath'
  >,
): ChunkSession {
  return { ...parts, hash: createHash('sha256'), receivedBytes: 0, nextIndex: 0 };
}
