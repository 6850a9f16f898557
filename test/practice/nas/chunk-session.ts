import { createHash, type Hash } from 'node:crypto';

/** 32 MiB, which the NAS proposes; smaller chunks are taken too (measured). */
export const CHUNK_SIZE_BYTES = 33_554_432;

/** One resumable upload, in the memory of the worker that began it. */
export interface ChunkSession {
  readonly uploadId: string;
  readonly userId: number;
  readonly folder: string;
  readonly filename: string;
  readonly totalBytes: number;
  readonly spoolPath: string;
  /** Over what counts; a chunk that broke off never gets in. */
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
