import { readFileSync } from 'node:fs';
import { normaliseMac } from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import type { ServerProfile, ServerRows } from './server-rows.ts';

/** An awake NAS answers all day; its row is written at most this often, ms. */
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

  /** The NAS just answered; `news` is what it told besides that. */
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

  /** Writes what is still pending. A disk that refuses is logged; the row is tried again later. */
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

const LINUX_NEIGHBOURS = '/proc/net/arp';

/** The kernel's neighbour table as text; empty on a machine that has none there. */
export function readNeighbourFile(): string {
  try {
    return readFileSync(LINUX_NEIGHBOURS, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

/** Whether the machine behind an IP address is the NAS; where that is unknown, `ok`. */
export type IdentityCheck = (ipAddress: string) => 'ok' | 'mismatch';

/**
 * The kernel's table of neighbours on the LAN, in the form of Linux's /proc/net/arp: a head line,
 * then `IP address, HW type, Flags, HW address, Mask, Device`. Flags 0x0 marks an unanswered entry.
 */
export class NeighbourTable {
  readonly #read: () => string;

  /** @param read gives the table's text, empty where there is none */
  constructor(read: () => string) {
    this.#read = read;
  }

  /** All MAC addresses known for an IP address, `aa:bb:cc:dd:ee:ff`; several on several interfaces. */
  macsOf(ipAddress: string): readonly string[] {
    const wanted = ipAddress.replace(/^::ffff:/i, '');
    const macs: string[] = [];
    for (const line of this.#read().split('\n').slice(1)) {
      const [address, , flags, hardware] = line.trim().split(/\s+/);
      if (address !== wanted || hardware === undefined) continue;
      const mac = normaliseMac(hardware);
      if (mac === null || Number(flags) === 0 || mac === '00:00:00:00:00:00') continue;
      macs.push(mac);
    }
    return macs;
  }
}

/**
 * Compares the neighbour table with the NAS's MAC address (contract 2, "Is it the NAS?").
 * @param expectedMac as {@link normaliseMac} gives it
 */
export function identityCheck(table: NeighbourTable, expectedMac: string): IdentityCheck {
  return (ipAddress) => {
    const macs = table.macsOf(ipAddress);
    return macs.length === 0 || macs.includes(expectedMac) ? 'ok' : 'mismatch';
  };
}
