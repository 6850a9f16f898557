import { Listeners } from '../log/listeners.ts';
import type { Log } from '../log/log.ts';

/** The disk of the data folder, in health's word: `ok`, `low`, `full`, `failing`. */
export interface DiskNews {
  readonly kind: 'disk';
  readonly state: string;
  readonly freeBytes: number;
}

/** A moment's wait for the disk is no news to act on. */
const PASSING = 'slow';

/** Tells when the room on the disk runs out, and when there is some again. */
export class DiskState {
  readonly #look: () => Omit<DiskNews, 'kind'>;
  readonly #news: Listeners<DiskNews>;
  #state = 'ok';

  constructor(log: Log, look: () => Omit<DiskNews, 'kind'>) {
    this.#look = look;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: DiskNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** Looks now, and tells what changed since the last look. */
  look(): void {
    const seen = this.#look();
    if (seen.state === PASSING || seen.state === this.#state) return;
    this.#state = seen.state;
    this.#news.tell({ kind: 'disk', ...seen });
  }
}
