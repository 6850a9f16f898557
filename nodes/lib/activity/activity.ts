import { LruMap } from '../limits/limits.ts';
import type { AccountNews } from '../accounts/accounts.ts';
import { parentOf } from '../files/files.ts';
import { errorKind, type Log } from '../log/log.ts';
import type { WakeCause } from '../nas/nas.ts';
import type { Store } from '../store/store.ts';
import type { PlugNews } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { UploadNews } from '../upload/upload.ts';
import {
  ActivityRows,
  type Entry,
  type EntryCause,
  type EntryKind,
  entryOf,
  SHARED_KINDS,
} from './activity-rows.ts';

export type { Entry } from './activity-rows.ts';

interface ActivityDeps {
  /** The queue database; in memory while the disk refuses. */
  readonly store: Store;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly log: Log;
  /** When the previous run was last seen, epoch ms; 0 where there was none. */
  readonly lastSeenMs: number;
  /** How the NAS is; null while nobody knows. */
  readonly nas: () => NasNow | null;
  /** What its plug measured between two times; null where too little was measured. */
  readonly nasUse: (fromMs: number, toMs: number) => NasUse | null;
  /** Whether a plug answers; null for one that no longer exists. */
  readonly isPlugOnline: (id: string) => boolean | null;
}

/** Who reads the log, and which part of it. */
export interface ActivityQuery {
  readonly reader: { readonly userId: number; readonly isAdmin: boolean };
  readonly kind: EntryKind | null;
  /** The last n days, {@link KEPT_DAYS} at most. */
  readonly days: number;
  /** Older than this entry; null for the newest. */
  readonly beforeId: number | null;
  readonly limit: number;
}

interface ActivityPage {
  readonly entries: readonly Entry[];
  /** For {@link ActivityQuery.beforeId}; null where there are no more. */
  readonly nextBeforeId: number | null;
}

export const KEPT_DAYS = 90;
const DAY_MS = 86_400_000;
const LOOK_EVERY_MS = 60_000;
const PRUNE_EVERY_MS = 3_600_000;
/** A restart, or an update; after longer nobody knows what the NAS did meanwhile. */
const SHORT_ABSENCE_MS = 15 * 60_000;
/** At most this many entries wait for somebody else's commit. */
const MOST_UNWRITTEN = 200;

/**
 * The installation's activity log for its users: when the NAS was awake and why, what was uploaded,
 * which plugs were gone, who signed in from where. The trusted time is stored once in each minute
 * that asked for it, and new entries join that commit, so the log adds no sync of its own to the
 * card; a power cut loses that minute.
 */
export class Activity {
  readonly #deps: ActivityDeps;
  readonly #rows: ActivityRows;
  readonly #unwritten: Unwritten;
  readonly #nasTimes: NasTimes;
  readonly #runs: UploadRuns;
  /** By plug, those that do not answer. */
  readonly #lost = new Map<string, Entry>();
  #prunedTickMs = -Infinity;
  #cancel: Cancel = () => undefined;

  constructor(deps: ActivityDeps) {
    this.#deps = deps;
    this.#rows = new ActivityRows(deps.store);
    const unwritten = (this.#unwritten = new Unwritten(this.#rows));
    this.#nasTimes = new NasTimes({ unwritten, nas: deps.nas, useOf: deps.nasUse });
    this.#runs = new UploadRuns(unwritten);
  }

  /** Continues what was going on when the previous run ended. */
  start(): void {
    const { time, lastSeenMs } = this.#deps;
    for (const entry of this.#rows.open()) {
      if (entry.kind === 'plug_lost') this.#lost.set(entry.facts.deviceId ?? '', entry);
      else {
        this.#nasTimes.end(entry.atMs);
        this.#nasTimes.resume(entry);
      }
    }
    if (time.nowMs() - lastSeenMs > SHORT_ABSENCE_MS) this.#nasTimes.end(lastSeenMs);
    this.#schedule();
  }

  /** Writes pending entries. */
  stop(): void {
    this.#cancel();
    this.#writeAlone();
  }

  /** The NAS's state may have changed. */
  nasChanged(): void {
    this.#nasTimes.look(this.#deps.time);
    this.#noted();
  }

  /** The NAS did not wake. */
  wakeFailed(cause: WakeCause | null): void {
    this.#note('wake_failed', { cause: causeOf(cause, true) }, cause?.by);
  }

  upload(news: UploadNews): void {
    this.#runs.note(news, this.#deps.time.nowMs());
    this.#noted();
  }

  plug(news: PlugNews): void {
    if (news.kind === 'plug_back') this.#plugIsBack(news.id);
    if (news.kind !== 'plug_lost' || this.#lost.has(news.id)) return;
    const entry = this.#note('plug_lost', { deviceId: news.id, deviceName: news.name });
    this.#lost.set(news.id, entry);
  }

  account(news: AccountNews): void {
    const { kind, user, address } = news;
    const device = kind === 'device_paired' ? { deviceName: news.deviceName } : {};
    this.#note(kind, { address, ...device }, user);
  }

  /** That NAS id now belongs to another person, who sees nothing of this. */
  dropUser(userId: number): void {
    const isPrivate = ({ kind }: Entry): boolean => !SHARED_KINDS.includes(kind);
    this.#unwritten.removeWhere((entry) => entry.userId === userId && isPrivate(entry));
    this.#writeAlone();
    this.#nasTimes.forgetUser(userId);
    this.#runs.forgetUser(userId);
    this.#rows.dropUser(userId);
  }

  /** What its reader may see, newest first. */
  list({ reader, kind, days, beforeId, limit }: ActivityQuery): ActivityPage {
    this.#writeAlone();
    const nowMs = this.#deps.time.nowMs();
    const found = this.#rows.list({
      userId: reader.isAdmin ? null : reader.userId,
      kind,
      sinceMs: nowMs - Math.min(days, KEPT_DAYS) * DAY_MS,
      beforeId: beforeId ?? Number.MAX_SAFE_INTEGER,
      limit: limit + 1,
    });
    const entries = found.slice(0, limit);
    return {
      entries: entries.map((entry) => this.#shown(entry, reader, nowMs)),
      nextBeforeId: found.length > limit ? (entries.at(-1)?.id ?? null) : null,
    };
  }

  /**
   * Writes pending entries inside a transaction of the caller on the same database.
   * @returns called once that is through
   */
  write(): () => void {
    if (this.#unwritten.size === 0) return () => undefined;
    const written = this.#unwritten.write();
    const tickMs = this.#deps.clock.monotonicMs();
    const isPruneDue = tickMs - this.#prunedTickMs >= PRUNE_EVERY_MS;
    const { time } = this.#deps;
    if (isPruneDue) this.#rows.prune(time.isProved ? time.nowMs() - KEPT_DAYS * DAY_MS : null);
    return () => {
      written();
      if (isPruneDue) this.#prunedTickMs = tickMs;
    };
  }

  #shown(entry: Entry, reader: ActivityQuery['reader'], nowMs: number): Entry {
    const isKnown = reader.isAdmin || entry.userId === reader.userId;
    const shown = isKnown ? entry : { ...entry, userId: null, username: null };
    if (entry.kind !== 'nas_awake' || entry.endedAtMs !== null) return shown;
    const use = this.#nasTimes.useOf(entry, nowMs);
    return { ...shown, facts: { ...shown.facts, ...(use ?? {}) } };
  }

  #note(kind: EntryKind, facts: Entry['facts'], by?: WakeCause['by']): Entry {
    const entry = entryOf(kind, this.#deps.time.nowMs(), facts, by);
    this.#unwritten.put(entry);
    this.#noted();
    return entry;
  }

  #noted(): void {
    if (this.#unwritten.size >= MOST_UNWRITTEN) this.#writeAlone();
  }

  #plugIsBack(id: string): void {
    const entry = this.#lost.get(id);
    if (entry === undefined) return;
    this.#lost.delete(id);
    entry.endedAtMs = this.#deps.time.nowMs();
    this.#unwritten.put(entry);
  }

  #writeAlone(): void {
    if (this.#unwritten.size === 0) return;
    const { store, log } = this.#deps;
    try {
      store.transaction(() => this.write())();
    } catch (error) {
      // It stays pending, for the next minute.
      log.warn(`The activity log could not be written: ${errorKind(error)}.`);
    }
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.after(LOOK_EVERY_MS, () => {
      this.#schedule();
      this.#look();
    });
  }

  /** For changes nobody reports: the first state after a start, a plug back by then. */
  #look(): void {
    const { time, isPlugOnline } = this.#deps;
    this.#nasTimes.look(time);
    for (const id of this.#lost.keys()) if (isPlugOnline(id) !== false) this.#plugIsBack(id);
  }
}

/** A call that found the NAS gone is not a sleep if the next one reaches it. */
const BLINK_MS = 60_000;

/** How the NAS is now. */
interface NasNow {
  readonly awake: boolean;
  readonly sleepState: string;
  /** Who is waking it; null where nobody here is. */
  readonly cause: WakeCause | null;
}

/** What the NAS's plug measured in a stretch of time. */
export interface NasUse {
  readonly energyMwh: number;
  readonly costUc: number;
}

interface Deps {
  readonly unwritten: Unwritten;
  /** Null while nobody knows how it is. */
  readonly nas: () => NasNow | null;
  /** Null where too little of it was measured. */
  readonly useOf: (fromMs: number, toMs: number) => NasUse | null;
}

/** The times the NAS was awake and asleep, each an entry that ends when the next begins. */
class NasTimes {
  readonly #deps: Deps;
  #open: Entry | null = null;
  #before: Entry | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * What was still going on when the Pi was last seen; it continues if the Pi was away only
   * briefly.
   */
  resume(entry: Entry): void {
    this.#open = entry;
  }

  /** From there on nobody knows how it went on. */
  end(atMs: number): void {
    if (this.#open !== null) this.#close(this.#open, atMs);
    this.#open = null;
    this.#before = null;
  }

  /** To be called when the NAS's state may have changed. */
  look(time: { nowMs(): number }): void {
    const now = this.#deps.nas();
    const kind = now?.awake === true ? 'nas_awake' : 'nas_asleep';
    // Only a change asks for the time, which is stored once it was asked for.
    if (now === null || this.#open?.kind === kind) return;
    const nowMs = time.nowMs();
    if (now.awake && this.#blinked(now, nowMs)) return;
    const wasSeen = this.#open !== null;
    if (this.#open !== null) this.#close(this.#open, nowMs);
    this.#before = this.#open;
    this.#open = now.awake
      ? entryOf(kind, nowMs, { cause: causeOf(now.cause, wasSeen) }, now.cause?.by)
      : entryOf(kind, nowMs, { sleepState: now.sleepState });
    this.#deps.unwritten.put(this.#open);
  }

  /** What the present time awake used so far. */
  useOf(entry: Entry, nowMs: number): NasUse | null {
    return this.#deps.useOf(entry.atMs, nowMs);
  }

  /** That user is another person now. */
  forgetUser(userId: number): void {
    for (const entry of [this.#open, this.#before]) {
      if (entry?.userId === userId) entry.userId = entry.username = null;
    }
  }

  #blinked({ cause }: NasNow, nowMs: number): boolean {
    const [open, before] = [this.#open, this.#before];
    if (open === null || before === null || cause !== null) return false;
    const wasSilent = open.facts.sleepState === 'unreachable';
    if (!wasSilent || nowMs - open.atMs >= BLINK_MS) return false;
    this.#deps.unwritten.remove(open);
    before.endedAtMs = null;
    const { cause: woken = null } = before.facts;
    before.facts = { cause: woken };
    this.#deps.unwritten.put(before);
    this.#open = before;
    this.#before = null;
    return true;
  }

  #close(entry: Entry, atMs: number): void {
    entry.endedAtMs = Math.max(entry.atMs, atMs);
    if (entry.kind === 'nas_awake') {
      const use = this.#deps.useOf(entry.atMs, entry.endedAtMs);
      const { energyMwh = null, costUc = null } = use ?? {};
      entry.facts = { ...entry.facts, energyMwh, costUc };
    }
    this.#deps.unwritten.put(entry);
  }
}

/** @param wasSeen whether the Pi saw it asleep before */
function causeOf(cause: WakeCause | null, wasSeen: boolean): EntryCause {
  if (cause === null) return wasSeen ? 'elsewhere' : null;
  if (cause.kind !== 'call') return cause.kind;
  return cause.by === null ? 'flow' : 'user';
}

/** Files of one folder belong together while they arrive one after the other. */
const PAUSE_MS = 10 * 60_000;
/** How many are remembered at a time; more folders than anybody fills at once. */
const MOST_RUNS = 200;

/** The outcomes of uploads and changes: one entry for all that end the same way, however many. */
class UploadRuns {
  readonly #unwritten: Unwritten;
  readonly #runs = new LruMap<string, Entry>(MOST_RUNS);

  constructor(unwritten: Unwritten) {
    this.#unwritten = unwritten;
  }

  note(news: UploadNews, nowMs: number): void {
    const { kind, userId, username, path, what, conflictPath, sizeBytes, detail } = news;
    // It has no outcome yet.
    if (kind === 'upload_accepted' || kind === 'upload_waits') return;
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
    this.#runs.set(key, entry);
  }

  forgetUser(userId: number): void {
    for (const [key, entry] of this.#runs) if (entry.userId === userId) this.#runs.delete(key);
  }
}

/** Entries waiting for the next commit, as each commit of their own would cost the card a sync. */
class Unwritten {
  readonly #rows: ActivityRows;
  readonly #entries = new Set<Entry>();
  readonly #gone = new Set<number>();

  constructor(rows: ActivityRows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#entries.size + this.#gone.size;
  }

  /** A new entry, or one that differs from what was written. */
  put(entry: Entry): void {
    this.#entries.add(entry);
  }

  /** It never happened. */
  remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (entry.id !== null) this.#gone.add(entry.id);
  }

  /** Those of a user that nobody else may see. */
  removeWhere(isGone: (entry: Entry) => boolean): void {
    for (const entry of this.#entries) if (isGone(entry)) this.remove(entry);
  }

  /**
   * Writes all of it inside a transaction of the caller.
   * @returns called once that is through
   */
  write(): () => void {
    for (const id of this.#gone) this.#rows.drop(id);
    const given = new Map<Entry, number>();
    for (const entry of this.#entries) {
      if (entry.id === null) given.set(entry, this.#rows.add(entry));
      else this.#rows.change(entry);
    }
    return () => {
      for (const [entry, id] of given) entry.id = id;
      this.#entries.clear();
      this.#gone.clear();
    };
  }
}
