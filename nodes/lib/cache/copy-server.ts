import { planAnswer, type AnswerPlan, type FileHead } from './answer-plan.ts';
import type { BlobStore } from './blob-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { handToNginx, nginxCanSend, type Exchange } from './offload.ts';
import { fileSource, memorySource, respond } from './respond.ts';
import { SMALL_FILE_BYTES } from './small-files.ts';

/** `gone`: the blob is missing or damaged, and nothing was written. */
export type BlobServed =
  | { readonly kind: 'answered'; readonly plan: AnswerPlan; readonly whole: boolean }
  | { readonly kind: 'gone' };

const GONE: BlobServed = { kind: 'gone' };

/** Sends kept files to callers who were found to be allowed them. */
export class CopyServer {
  readonly #blobs: BlobStore;
  readonly #pool: BufferPool;

  constructor(blobs: BlobStore, pool: BufferPool) {
    this.#blobs = blobs;
    this.#pool = pool;
  }

  /** @param onPlan told what will be sent, before the first byte of it */
  async serve(
    blob: string,
    head: FileHead,
    exchange: Exchange,
    onPlan: (plan: AnswerPlan) => void,
  ): Promise<BlobServed> {
    const { sizeBytes } = head;
    if (sizeBytes > SMALL_FILE_BYTES) return this.#fromDisk(blob, head, exchange, onPlan);
    const { request, response } = exchange;
    const held = this.#blobs.inMemory(blob);
    const bytes = held ?? (await this.#blobs.readSmall(blob, sizeBytes));
    if (bytes === null) return GONE;
    const plan = planAnswer(request, head);
    onPlan(plan);
    const whole = await respond(request, response, plan, memorySource(bytes));
    return { kind: 'answered', plan, whole };
  }

  async #fromDisk(
    blob: string,
    head: FileHead,
    exchange: Exchange,
    onPlan: (plan: AnswerPlan) => void,
  ): Promise<BlobServed> {
    const { request, response } = exchange;
    const file = await this.#blobs.openBlob(blob, head.sizeBytes);
    if (file === null) return GONE;
    try {
      const plan = planAnswer(request, head);
      onPlan(plan);
      if (nginxCanSend(exchange, plan)) {
        handToNginx(response, plan, blob);
        return { kind: 'answered', plan, whole: true };
      }
      const source = fileSource(file, head.sizeBytes, this.#pool);
      return { kind: 'answered', plan, whole: await respond(request, response, plan, source) };
    } finally {
      await file.close();
    }
  }
}
