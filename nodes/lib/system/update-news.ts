import { Listeners } from '../log/listeners.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';

/** A newer version lies ready in the data folder; nobody outside was asked for one. */
export interface UpdateNews {
  readonly kind: 'update_ready';
  readonly version: string;
}

/** An owner who lays a file there does not wait for the word. */
const LOOK_EVERY_MS = 600_000;

/** Tells of each version once a run: at its first look, or when it comes. */
export class UpdateWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #newest: () => string | null;
  readonly #news: Listeners<UpdateNews>;
  #told: string | null = null;
  #lookedTickMs = -Infinity;

  /** @param newest the version that lies ready; null where there is none newer than this one */
  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Log, newest: () => string | null) {
    this.#clock = clock;
    this.#newest = newest;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: UpdateNews) => void): () => void {
    return this.#news.listen(listener);
  }

  look(): void {
    const nowTickMs = this.#clock.monotonicMs();
    if (nowTickMs - this.#lookedTickMs < LOOK_EVERY_MS) return;
    this.#lookedTickMs = nowTickMs;
    const version = this.#newest();
    if (version === null || version === this.#told) return;
    this.#told = version;
    this.#news.tell({ kind: 'update_ready', version });
  }
}
