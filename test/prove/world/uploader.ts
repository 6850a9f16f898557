import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';

/** How an upload ended for its sender. */
export type SendOutcome =
  | { readonly kind: 'acknowledged'; readonly id: string; readonly tookMs: number }
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly code: string;
      readonly tookMs: number;
    }
  /** The connection ended without an answer. */
  | { readonly kind: 'cut' };

export interface UploaderParts {
  readonly url: () => string;
  readonly token: () => string;
  /** The target folder, such as `alice/proof`. */
  readonly folder: string;
  readonly ledger: Ledger;
  readonly random: Random;
}

/** A phone that uploads and records what was acknowledged. */
export class Uploader {
  readonly #parts: UploaderParts;
  #count = 0;

  constructor(parts: UploaderParts) {
    this.#parts = parts;
  }

  /** Sends a new file, or the next version of `name`. */
  async send(name: string, sizeBytes: number): Promise<SendOutcome> {
    const { random, ledger, folder } = this.#parts;
    const bytes = random.bytes(sizeBytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const sent = ledger.sending(`${folder}/${name}`, sha256);
    const outcome = await this.#post(name, bytes);
    if (outcome.kind === 'acknowledged') sent.acknowledgedAs = outcome.id;
    return outcome;
  }

  /** Sends small and large files and new versions of old ones until aborted. */
  async keepSending(who: string, signal: AbortSignal, most = Infinity): Promise<void> {
    const { random } = this.#parts;
    const names: string[] = [];
    for (let sent = 0; sent < most && !signal.aborted; sent += 1) {
      this.#count += 1;
      const again = names.length > 0 && random.next() < 0.2;
      const name = again ? random.pick(names) : `${who}-${String(this.#count)}.bin`;
      if (!again) names.push(name);
      const sizeBytes =
        random.next() < 0.1 ? random.between(200_000, 2_000_000) : random.between(1, 40_000);
      const outcome = await this.send(name, sizeBytes);
      if (outcome.kind === 'cut') return;
      if (outcome.kind === 'refused') await pause(20);
    }
  }

  async #post(name: string, bytes: Buffer): Promise<SendOutcome> {
    const { url, token, folder } = this.#parts;
    const form = new FormData();
    form.append('path', folder);
    form.append('file', new Blob([new Uint8Array(bytes)]), name);
    const startedMs = performance.now();
    try {
      const answered = await fetch(`${url()}/api/files/upload`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token()}` },
        body: form,
      });
      const tookMs = performance.now() - startedMs;
      const body = (await answered.json()) as { id?: string; code?: string };
      if (answered.status === 200 && body.id !== undefined) {
        return { kind: 'acknowledged', id: body.id, tookMs };
      }
      return { kind: 'refused', status: answered.status, code: body.code ?? '', tookMs };
    } catch (error) {
      // The other process or its network was ended: that is what is proven here.
      if (error instanceof TypeError || error instanceof SyntaxError) return { kind: 'cut' };
      throw error;
    }
  }
}
