import { answer, type Answer, isoSeconds } from '../http/http.ts';
import type { ChunkReceived } from './chunk-intake.ts';
import { CHUNK_BYTES } from './resumable-intents.ts';
import type { ResumableUpload } from './resumable-rows.ts';
import type { Begun, Completed } from './resumable-uploads.ts';
import { refusedAnswer } from './upload-answers.ts';

/** `{upload_id, chunk_size}`, as BaluHost answers (docs/NAS.md). */
export function begunAnswer(begun: Begun): Answer {
  if (begun.kind === 'refused') return refusedAnswer(begun);
  return answer({ upload_id: begun.id, chunk_size: begun.chunkBytes });
}

/** @returns null when nobody is left to answer */
export function chunkAnswer(received: ChunkReceived): Answer | null {
  if (received.kind === 'gone') return null;
  if (received.kind === 'refused') return refusedAnswer(received);
  return answer({ received_bytes: received.receivedBytes });
}

/** BaluHost's `{path, size}`, and what the Pi's own upload route tells of a file. */
export function completedAnswer(completed: Completed): Answer {
  if (completed.kind === 'refused') return refusedAnswer(completed);
  const { id, path, sizeBytes, sha256 } = completed.file;
  return answer({ path, size: sizeBytes, id, sha256, status: 'queued' });
}

/** For somebody who lost the id, or the count, of what broke off. */
export function unfinishedAnswer(uploads: readonly ResumableUpload[]): Answer {
  return answer({
    uploads: uploads.map((upload) => ({
      upload_id: upload.id,
      filename: upload.filename,
      target_path: upload.folder,
      total_size: upload.totalBytes,
      received_bytes: upload.receivedBytes,
      next_chunk_index: upload.nextIndex,
      chunk_size: CHUNK_BYTES,
      touched_at: isoSeconds(upload.touchedAtMs),
    })),
  });
}
