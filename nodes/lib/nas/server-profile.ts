import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import { normaliseMac } from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import type { ServerProfile, ServerRows } from './server-rows.ts';

/** An awake NAS answers all day; its row is written this often at most, ms. */
const WRITE_EVERY_MS = 60_000;

type News = Partial<Omit<ServerProfile, 'url' | 'lastSeenMs'>>;

/** The NAS's profile in memory, written to its row rarely: each write is an fsync of the SD card. */
export class ServerProfileBook {
  readonly #rows: Pick<ServerRows, 'load' | 'save'>;
  readonly #clock: Clock;
  readonly #log: Log;
  #profile: ServerProfile;
  #writtenAtMs = -Infinity;
  #dirty = false;

  constructor(rows: Pick<ServerRows, 'load' | 'save'>, url: string, clock: Clock, log: Log) {
    this.#rows = rows;
    this.#clock = clock;
    this.#log = log;
    this.#profile = {
      url,
      macAddress: null,
      version: null,
      sleepSchedule: null,
      nextWakeAt: null,
      lastSeenMs: null,
    };
  }

  get profile(): ServerProfile {
    return this.#profile;
  }

  /** Reads what the last run knew. */
  load(): void {
    const kept = this.#rows.load();
    if (kept === null) return;
    const macAddress = kept.macAddress === null ? null : normaliseMac(kept.macAddress);
    this.#profile = { ...kept, macAddress, url: this.#profile.url };
  }

  /** The NAS answered now; `news` is what it told beside that. */
  seen(news: News): void {
    const first = this.#profile.lastSeenMs === null;
    this.#profile = { ...this.#profile, ...news, lastSeenMs: this.#clock.nowMs() };
    this.#dirty = true;
    const due = this.#clock.monotonicMs() - this.#writtenAtMs >= WRITE_EVERY_MS;
    if (first || due) this.flush();
  }

  /** Keeps the MAC address that was seen at the NAS's address, for waking it later. */
  learnMac(macAddress: string): void {
    if (macAddress === this.#profile.macAddress) return;
    this.#profile = { ...this.#profile, macAddress };
    this.#dirty = true;
  }

  /** Writes what is not written yet. A disk that refuses is logged; the row is tried again later. */
  flush(): void {
    if (!this.#dirty) return;
    this.#writtenAtMs = this.#clock.monotonicMs();
    try {
      this.#rows.save(this.#profile);
      this.#dirty = false;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.warn(`The profile of the NAS could not be written: ${reason}`);
    }
  }
}
