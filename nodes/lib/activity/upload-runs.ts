import { parentOf } from '../files/files.ts';
import type { UploadNews } from '../upload/upload.ts';
import { type Entry, entryOf } from './entry.ts';
import type { Unwritten } from './unwritten.ts';

/** Files of one folder belong together while they come one after the other. */
const PAUSE_MS = 10 * 60_000;
/** Remembered at a time; more folders than somebody fills at once. */
const MOST_RUNS = 200;

/** What became of uploads and changes: one entry for what goes the same way, however much it is. */
export class UploadRuns {
  readonly #unwritten: Unwritten;
  readonly #runs = new Map<string, Entry>();

  constructor(unwritten: Unwritten) {
    this.#unwritten = unwritten;
  }

  note(news: UploadNews, nowMs: number): void {
    const { kind, userId, username, path, what, conflictPath, sizeBytes, detail } = news;
    // Nothing became of it yet.
    if (kind === 'upload_accepted') return;
    const folder = parentOf(path) ?? '';
    const key = JSON.stringify([kind, userId, what, folder, detail]);
    const run = this.#runs.get(key);
    if (run !== undefined && nowMs - (run.endedAtMs ?? run.atMs) < PAUSE_MS) {
      const { files, sizeBytes: before } = run.facts;
      const bytes = before == null || sizeBytes === null ? null : before + sizeBytes;
      run.facts = { what, path: folder, files: (files ?? 1) + 1, sizeBytes: bytes, detail };
      run.endedAtMs = nowMs;
      this.#unwritten.put(run);
      return;
    }
    const facts = { what, path, conflictPath, files: 1, sizeBytes, detail };
    const entry = entryOf(kind, nowMs, facts, { id: userId, username });
    this.#unwritten.put(entry);
    this.#runs.delete(key);
    this.#runs.set(key, entry);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > MOST_RUNS && oldest !== undefined) this.#runs.delete(oldest);
  }

  forgetUser(userId: number): void {
    for (const [key, entry] of this.#runs) if (entry.userId === userId) this.#runs.delete(key);
  }
}
