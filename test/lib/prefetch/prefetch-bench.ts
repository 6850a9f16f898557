import assert from 'node:assert/strict';
import type { Caller, User } from '../../../nodes/lib/accounts/caller.ts';
import { CallerNeed } from '../../../nodes/lib/nas/nas-service.ts';
import type { NasState } from '../../../nodes/lib/nas/presence.ts';
import { Prefetch } from '../../../nodes/lib/prefetch/prefetch.ts';
import { CacheBench } from '../cache/cache-bench.ts';

export const MB = 1_000_000;
export const MINUTE_MS = 60_000;

/** The prefetch module over real files and cache modules, a fake NAS and a clock that a test moves. */
export class PrefetchBench extends CacheBench {
  readonly need = new CallerNeed(this.clock);
  readonly tokens = new Map<number, string>();
  readonly switchedOff = new Set<number>();
  isShortOfMemory = false;
  prefetch!: Prefetch;
  readonly #listeners = new Set<(state: NasState) => void>();

  override async start(): Promise<void> {
    await super.start();
    for (const caller of [this.alice, this.bob]) {
      this.tokens.set(caller.user.id, caller.nasToken ?? '');
    }
  }

  override async reopen(): Promise<void> {
    await super.reopen();
    this.prefetch = new Prefetch({
      store: this.store,
      clock: this.clock,
      presence: this.#presence(),
      need: this.need,
      files: this.files,
      background: this.cache.background,
      isShortOfMemory: () => this.isShortOfMemory,
      userOf: (userId) => this.#userOf(userId),
      tokenOf: (userId) => Promise.resolve(this.tokens.get(userId) ?? null),
    });
    this.prefetch.start();
  }

  override async close(): Promise<void> {
    const stopping = this.prefetch.stop();
    await this.clock.advance(MINUTE_MS);
    await stopping;
    this.#assertConsistent();
    await super.close();
  }

  /** Puts the NAS to sleep or wakes it, and notifies all listeners. */
  turn(awake: boolean): void {
    this.awake = awake;
    if (awake) this.need.needed();
    for (const listener of this.#listeners) listener({ awake } as NasState);
  }

  /** A caller reads a file as the nodes do, with the NAS awake or asleep. */
  async read(caller: Caller, path: string): Promise<string> {
    const headers: Record<string, string> =
      caller.user.id === this.bob.user.id ? { 'x-user': 'bob' } : {};
    const got = await this.get(path, headers);
    if (got.status !== 200) return String(got.status);
    this.prefetch.read({ caller, path, auto: false, fromHere: true });
    return String(got.headers['x-balupi-cache']);
  }

  async list(caller: Caller, path: string): Promise<void> {
    await this.files.list(caller, path);
    this.prefetch.listed({ caller, path, auto: false, fromHere: !this.awake });
  }

  /** One tick of both schedules, advancing the clock until both are done. */
  tick(): Promise<void> {
    return this.through(this.beginTick());
  }

  /** Like {@link tick}, for tests that advance the clock; end it with {@link through}. */
  beginTick(): Promise<unknown> {
    return Promise.all([this.prefetch.fetchNeighbours(), this.prefetch.keepPins()]);
  }

  /** Advances the clock until `running` settles. Not while somebody else advances it. */
  async through(running: Promise<unknown>): Promise<void> {
    let isOver = false;
    const ended = running.then(() => {
      isOver = true;
    });
    for (let turn = 0; turn < 3_000 && !isOver; turn += 1) await this.clock.advance(20);
    await ended;
  }

  /** Calls to the NAS since the last look, without listings. */
  fetched(): string[] {
    const calls = this.nas.calls.splice(0);
    return calls
      .filter((call) => call.startsWith('download'))
      .map((call) => call.split(' ').slice(1).join(' '));
  }

  /** Counts, sums and marks have to match the rows they are about. */
  #assertConsistent(): void {
    const one = (sql: string): unknown =>
      this.store.prepare(`SELECT (${sql}) AS value`).get()?.['value'];
    const wrong = (table: string, where: string): void => {
      assert.equal(one(`SELECT count(*) FROM ${table} WHERE ${where}`), 0, where);
    };
    assert.equal(
      one('SELECT total(size_bytes) FROM cached_files'),
      (one('SELECT total_bytes FROM cache_totals') as number) -
        (one('SELECT total(size_bytes) FROM cached_pieces') as number),
    );
    assert.equal(
      one('SELECT file_count FROM cache_totals'),
      one('SELECT (SELECT count(*) FROM cached_files) + (SELECT count(*) FROM pieced_files)'),
    );
    wrong(
      'cached_files AS copy',
      `pinned <> EXISTS (SELECT 1 FROM pinned_files AS pin WHERE pin.path = copy.path AND wanted = 1)`,
    );
    wrong(
      'pinned_files AS pin',
      `kept <> (EXISTS (SELECT 1 FROM cached_files AS copy WHERE copy.path = pin.path
                        AND copy.size_bytes = pin.size_bytes AND copy.modified_at = pin.modified_at)
             OR EXISTS (SELECT 1 FROM pieced_files AS file WHERE file.path = pin.path
                        AND file.held_bytes = file.size_bytes AND file.size_bytes = pin.size_bytes
                        AND file.modified_at = pin.modified_at))`,
    );
    wrong('prefetched_copies', 'copy_id NOT IN (SELECT id FROM cached_files WHERE prefetched = 1)');
  }

  #userOf(userId: number): User | null {
    const known = [this.alice, this.bob].find(({ user }) => user.id === userId);
    return this.switchedOff.has(userId) ? null : (known?.user ?? null);
  }

  #presence() {
    const state = (): NasState => ({ awake: this.awake }) as NasState;
    const listeners = this.#listeners;
    return {
      get state() {
        return state();
      },
      onChange: (listener: (state: NasState) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  }
}
