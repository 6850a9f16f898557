import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import type { FileHashing } from '../../../nodes/lib/upload/spool/hashing.ts';
import type { QueuedInput } from '../../../nodes/lib/upload/upload.ts';
import { ALICE, BOB, type UploadBench } from '../../lib/upload/upload-bench.ts';
import { gone, json, type MemoryNas } from '../../lib/upload/memory-nas.ts';
import { TreeBench } from '../../lib/upload/tree-bench.ts';
import { MortalProcess } from './mortal-process.ts';
import type { Random } from './random.ts';
import { above, isAt, nameIn, type Want, WantedTree } from './wanted-tree.ts';

/** How wild a night is. */
export interface Wildness {
  /** Everybody stays in their home, and nobody changes anything at the NAS. */
  readonly isAlone: boolean;
  /** The process dies now and then, in the middle of anything. */
  readonly mayDie: boolean;
  /** The NAS fails, goes silent, and does what it says it did not. */
  readonly mayFail: boolean;
  /** The queue's database is lost once. */
  readonly losesDatabase: boolean;
}

/** What became of a file, as far as its content tells. */
interface Fate {
  /** Accepted changes and uploads that, as their user knew, would end it. */
  readonly endedBy: Set<string>;
  /** Who moved it. */
  readonly movedBy: Set<number>;
  /** By which change, and from where. */
  readonly moves: { readonly id: string | null; readonly from: string; readonly userId: number }[];
  /** It was changed at the NAS, past the Pi. */
  isForeign: boolean;
}

/** An accepted delete. */
interface Deleted {
  readonly id: string | null;
  readonly userId: number;
  readonly contents: readonly string[];
}

/** More than any of it takes. */
const MOST_TURNS = 60;
const FIVE_MINUTES_MS = 5 * 60_000;
/** Each on a known device, as an app's is: its saves are based on what it was shown. */
const USERS: readonly Caller[] = [
  { ...ALICE, device: 'refresh:alice' },
  { ...BOB, device: 'refresh:bob' },
];
/** No user's id. */
const STRANGER = 0;

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * A household in memory over a data folder: two users, their NAS, and nights in which they change
 * it.
 */
export class NightHome {
  readonly failures: string[] = [];
  requests = 0;
  deaths = 0;
  conflicts = 0;
  readonly #random: Random;
  readonly #wild: Wildness;
  readonly #hashing: FileHashing;
  readonly #tree: TreeBench;
  readonly #fates = new Map<string, Fate>();
  readonly #origins = new Map<string, string>();
  readonly #views = new Map<number, WantedTree>();
  readonly #deletes: Deleted[] = [];
  /** What each user sent to each path. */
  readonly #sent = new Map<string, readonly string[]>();
  /** Changes that were found after a loss, and that their owner still wanted. */
  readonly #again = new Set<string>();
  #process = new MortalProcess();
  #count = 0;

  constructor(random: Random, wild: Wildness, hashing: FileHashing) {
    this.#random = random;
    this.#wild = wild;
    // One thread hashes for all processes, whichever stops.
    this.#hashing = { follow: (file) => hashing.follow(file), stop: () => Promise.resolve() };
    this.#tree = new TreeBench({ hashing: this.#hashing });
    this.#fill();
  }

  async start(): Promise<void> {
    await this.#tree.start();
    await this.#reborn();
  }

  async close(): Promise<void> {
    await this.#process.buried();
    await this.#bench.discard();
  }

  /** All look around, the NAS sleeps, they change things, it wakes, and everything settles. */
  async night(): Promise<void> {
    for (const who of USERS) await this.#lookAround(who);
    this.#bench.presence.set(false);
    const wanted = this.#random.between(6, 14);
    for (let turn = 0; turn < wanted && this.failures.length === 0; turn += 1) {
      await this.#ask();
      if (this.#wild.mayDie && this.#random.next() < 0.05) await this.#reborn();
    }
    if (this.#wild.losesDatabase && this.#random.next() < 0.5) await this.#reborn(true);
    if (!this.#wild.isAlone) await this.#strangers();
    await this.#morning();
    this.#judge();
  }

  get #bench(): UploadBench {
    return this.#tree.bench;
  }

  get #nas(): MemoryNas {
    return this.#bench.nas;
  }

  /** Creates the first trees. */
  #fill(): void {
    for (const home of ['alice', 'bob', 'Shared']) {
      const folders = [home];
      for (let count = this.#random.between(1, 4); count > 0; count -= 1) {
        const folder = `${this.#random.pick(folders)}/${this.#folderName()}`;
        this.#nas.folders.add(folder);
        folders.push(folder);
      }
      for (let count = this.#random.between(2, 6); count > 0; count -= 1) {
        this.#putFile(`${this.#random.pick(folders)}/${this.#fileName()}`);
      }
    }
  }

  #folderName(): string {
    this.#count += 1;
    return `f${this.#random.between(0, 4)}x${this.#count % 3}`;
  }

  #fileName(): string {
    this.#count += 1;
    return `${this.#random.between(0, 5)}y${this.#count % 3}.txt`;
  }

  #content(): string {
    this.#count += 1;
    return `content ${this.#count} ${'.'.repeat(this.#random.between(0, 40))}`;
  }

  #putFile(path: string): void {
    if (this.#nas.folders.has(path)) return;
    const before = this.#nas.text(path);
    if (before !== null) this.#fate(before).isForeign = true;
    const content = this.#content();
    this.#nas.put(path, content, { ownerId: path.startsWith('bob') ? 'bob' : 'alice' });
    this.#fate(content);
    this.#origins.set(content, path);
  }

  #fate(content: string): Fate {
    const known = this.#fates.get(content);
    if (known !== undefined) return known;
    const fate: Fate = { endedBy: new Set(), movedBy: new Set(), moves: [], isForeign: false };
    this.#fates.set(content, fate);
    return fate;
  }

  #placesOf({ user }: Caller): readonly string[] {
    return this.#wild.isAlone ? [user.username] : [user.username, 'Shared'];
  }

  async #lookAround(who: Caller): Promise<void> {
    const places: [string, string | null][] = [];
    for (const home of this.#placesOf(who)) {
      await this.#tree.lookAround(who, home);
      for (const folder of this.#nas.folders) {
        if (folder !== home && isAt(folder, home)) places.push([folder, null]);
      }
      for (const path of this.#nas.files.keys()) {
        if (isAt(path, home)) places.push([path, this.#nas.text(path) ?? '']);
      }
    }
    this.#views.set(who.user.id, new WantedTree(places));
  }

  /** One request of one user, and what they see afterwards. */
  async #ask(): Promise<void> {
    const who = this.#random.pick(USERS);
    const view = this.#views.get(who.user.id);
    const want = view === undefined ? null : this.#wantOf(who, view);
    if (view === undefined || want === null) return;
    this.requests += 1;
    if (this.#wild.mayDie && this.#random.next() < 0.15) {
      this.#process.dieIn(this.#random.between(0, 12));
    }
    const taken = await this.#process.outlives(this.#tell(who, want));
    if (taken === 'died') {
      await this.#reborn();
      await this.#findOut(who, view, want);
      return;
    }
    this.#process.dieIn(Infinity);
    if (taken.isTaken) this.#take(who, view, want, taken.id);
    else if (isOwed(view, want)) this.failures.push(`not taken: ${JSON.stringify(want)}`);
    await this.#expect(who, view, `after ${JSON.stringify(want)}`);
  }

  async #tell(
    who: Caller,
    want: Want,
  ): Promise<{ readonly isTaken: boolean; readonly id: string | null }> {
    if (want.kind === 'upload') {
      this.#bench.who = who;
      const sent = await this.#bench.send(above(want.path), nameIn(want.path), want.content);
      return { isTaken: sent.status === 200, id: String(sent.body['id']) };
    }
    const taken = await this.#bench.upload.acceptChange(who, inputOf(want, this.#random));
    return { isTaken: taken.kind === 'taken', id: taken.kind === 'taken' ? taken.id : null };
  }

  /** There was no answer: it was accepted or not, and nothing in between. */
  async #findOut(who: Caller, view: WantedTree, want: Want): Promise<void> {
    const seen = await this.#seen(who);
    const after = view.copy();
    after.apply(want);
    const listed = this.#bench.upload.view.list(who, null);
    const rows = listed.kind === 'uploads' ? listed.uploads : [];
    const hash = want.kind === 'upload' ? sha256(want.content) : null;
    // Without a checksum of the NAS, one version looks like another.
    const isQueued = hash === null || rows.some((row) => row.sha256 === hash);
    if (isQueued && this.#isSame(after, seen)) this.#take(who, view, want, rows[0]?.id ?? null);
    else await this.#expect(who, view, `after a death in ${JSON.stringify(want)}`);
  }

  #take(who: Caller, view: WantedTree, want: Want, id: string | null): void {
    const { id: userId } = who.user;
    const contents = view.contentsAt(want.path);
    if (want.kind === 'delete') {
      this.#deletes.push({ id, userId, contents });
      for (const content of contents) this.#fate(content).endedBy.add('a delete');
    }
    if (want.kind === 'upload') {
      // A conflict copy is replaced by the same user's next version of that file.
      const own = this.#sent.get(`${userId} ${want.path}`) ?? [];
      this.#sent.set(`${userId} ${want.path}`, [...own, want.content]);
      for (const content of [...contents, ...own])
        this.#fate(content).endedBy.add('a later version');
      this.#fate(want.content);
      this.#origins.set(want.content, want.path);
    }
    if (want.kind === 'move') {
      for (const one of contents) {
        this.#fate(one).movedBy.add(userId);
        this.#fate(one).moves.push({ id, from: want.path, userId });
      }
    }
    view.apply(want);
  }

  #wantOf(who: Caller, view: WantedTree): Want | null {
    const random = this.#random;
    const homes = this.#placesOf(who);
    const paths = [...view.places.keys()];
    const folders = [...homes, ...paths.filter((path) => view.places.get(path) === null)];
    const dice = random.next();
    if (dice < 0.35) {
      const files = paths.filter((path) => view.places.get(path) !== null);
      const isOver = files.length > 0 && random.next() < 0.5;
      const path = isOver ? random.pick(files) : `${random.pick(folders)}/${this.#fileName()}`;
      if (view.places.get(path) === null) return null;
      return { kind: 'upload', path, content: this.#content() };
    }
    if (dice < 0.45)
      return { kind: 'mkdir', path: `${random.pick(folders)}/${this.#folderName()}` };
    if (paths.length === 0) return null;
    const path = random.pick(paths);
    if (dice < 0.7) return { kind: 'delete', path };
    const isFile = view.places.get(path) !== null;
    const name = isFile ? this.#fileName() : this.#folderName();
    if (dice < 0.85) return { kind: 'move', path, to: `${above(path)}/${name}` };
    const to = `${random.pick(folders)}/${nameIn(path)}`;
    // It would go into a folder of that name, as at the NAS.
    return view.places.get(to) === null ? null : { kind: 'move', path, to };
  }

  /** People at the NAS itself, past the Pi. */
  async #strangers(): Promise<void> {
    const random = this.#random;
    for (let count = random.between(0, 4); count > 0; count -= 1) {
      const files = [...this.#nas.files.keys()];
      const folders = [...this.#nas.folders];
      const dice = random.next();
      if (dice < 0.5) this.#putFile(`${random.pick(folders)}/${this.#fileName()}`);
      else if (files.length === 0) continue;
      else if (dice < 0.7) this.#putFile(random.pick(files));
      else if (dice < 0.85) {
        const path = random.pick(files);
        this.#fate(this.#nas.text(path) ?? '').isForeign = true;
        this.#nas.files.delete(path);
      } else await this.#strangerMoves(random.pick(folders.filter((path) => path.includes('/'))));
    }
  }

  /** Every other one through the Pi, which moves queued uploads for that place along. */
  async #strangerMoves(path: string | undefined): Promise<void> {
    if (path === undefined) return;
    const to = `${above(path)}/${this.#folderName()}`;
    if (this.#nas.holds(to)) return;
    for (const at of this.#nas.files.keys()) {
      if (isAt(at, path)) this.#fate(this.#nas.text(at) ?? '').isForeign = true;
    }
    this.#nas.moveTree(path, to);
    if (this.#count % 2 === 0) {
      for (const [content, at] of this.#origins) {
        if (isAt(at, path)) this.#fate(content).movedBy.add(STRANGER);
      }
      const { upload } = this.#bench;
      await this.#process.outlives(upload.changedPaths.followMove(path, to, upload.mark()));
    }
  }

  /** The NAS is up, and everything is done or reported, whatever fails on the way. */
  async #morning(): Promise<void> {
    let failures = this.#wild.mayFail ? this.#random.between(0, 5) : 0;
    this.#nas.trouble = (call) => {
      if (failures === 0 || this.#random.next() > 0.15) return null;
      failures -= 1;
      const verb = call.split(' ')[0] ?? '';
      const dice = this.#random.next();
      if (dice < 0.4) this.#nas.loseAnswerOf.add(verb);
      else if (dice < 0.7) return json(500, { detail: 'Internal server error' });
      else if (verb !== 'list') return gone();
      return null;
    };
    for (let turn = 0; turn < MOST_TURNS && (turn < 2 || this.#isOpen()); turn += 1) {
      if (this.#wild.mayDie && this.#random.next() < 0.3) {
        this.#process.dieIn(this.#random.between(0, 30));
      }
      this.#bench.presence.set(true);
      await this.#flush();
      if (this.#process.isDead) await this.#reborn();
      this.#process.dieIn(Infinity);
      await this.#bench.clock.advance(FIVE_MINUTES_MS);
      this.#retryFound();
    }
    this.#nas.trouble = () => null;
    this.#nas.loseAnswerOf.clear();
    if (this.#isOpen()) this.failures.push(`never settled: ${this.#states().join(', ')}`);
  }

  /** Delivers what is due, including its pacing, or dies doing so. */
  async #flush(): Promise<void> {
    const process = this.#process;
    let isDone = false;
    const flushing = this.#bench.upload.delivery.flush().finally(() => {
      isDone = true;
    });
    flushing.catch(() => undefined);
    for (let turn = 1; !isDone && !process.isDead; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (turn % 40 === 0) await this.#bench.clock.advance(200);
    }
  }

  /** Found changes whose target changed meanwhile wait for their owner, who still wants them. */
  #retryFound(): void {
    for (const who of USERS) {
      const listed = this.#bench.upload.view.list(who, 'found');
      if (listed.kind !== 'uploads') continue;
      for (const { id, kind, detail } of listed.uploads) {
        if (detail === null) continue;
        if (kind !== undefined && !this.#wild.isAlone) {
          void this.#bench.upload.drop(who, id);
          continue;
        }
        if (kind !== undefined) this.#again.add(id);
        this.#bench.upload.retry(who, id);
      }
      for (const { id, upload_id: of } of this.#bench.upload.conflicts(who)) {
        if (this.#again.delete(of)) void this.#bench.upload.resolveConflict(who, id, 'done');
      }
    }
  }

  #isOpen(): boolean {
    return this.#states().some((state) => / (queued|sending|waiting\w*|found)$/.test(state));
  }

  #states(): readonly string[] {
    return USERS.flatMap((who) => this.#tree.states(who));
  }

  /** The process is dead; another one takes over its folder. */
  async #reborn(losesDatabase = false): Promise<void> {
    await this.#process.buried();
    this.#process = new MortalProcess();
    this.deaths += 1;
    const wasAwake = this.#bench.presence.awake;
    await this.#tree.restart(this.#process.partsOf(this.#bench), (bench) => {
      if (!losesDatabase) return;
      for (const name of ['queue.db', 'queue.db-wal', 'queue.db-shm']) {
        rmSync(join(bench.path, name), { force: true });
      }
    });
    this.#bench.presence.awake = wasAwake;
  }

  async #seen(who: Caller): Promise<ReadonlyMap<string, string | null>> {
    const seen = new Map<string, string | null>();
    for (const home of this.#placesOf(who)) {
      for (const [path, hash] of await this.#tree.seen(who, home)) seen.set(path, hash);
    }
    return seen;
  }

  #isSame(view: WantedTree, seen: ReadonlyMap<string, string | null>): boolean {
    if (seen.size !== view.places.size) return false;
    return [...view.places].every(([path, content]) => {
      const hash = seen.get(path);
      // The NAS has no checksums for the files of a renamed folder (docs/NAS.md).
      return content === null ? hash === null : hash === '' || hash === sha256(content);
    });
  }

  async #expect(who: Caller, view: WantedTree, when: string): Promise<void> {
    const seen = await this.#seen(who);
    if (this.#isSame(view, seen)) return;
    const other = ([path, hash]: readonly [string, string | null]): string => {
      const wanted = view.places.get(path);
      const isRight = typeof wanted === 'string' && hash !== '' && hash !== sha256(wanted);
      return isRight ? `${path} (another version)` : path;
    };
    const shown = [...seen].map(other).sort().join(' ');
    this.failures.push(
      `${who.user.username} sees another tree ${when}: ${shown} | ${view.lines.join(' ')}`,
    );
  }

  /** Compares the NAS with what everybody wanted. */
  #judge(): void {
    this.conflicts += USERS.flatMap((who) => this.#bench.upload.conflicts(who)).length;
    const onNas = new Map<string, string>();
    for (const path of this.#nas.files.keys()) onNas.set(this.#nas.text(path) ?? '', path);
    if (this.#wild.isAlone) this.#judgeExactly();
    this.#judgeLost(onNas);
    this.#judgeDeleted(onNas);
  }

  /** Without interference, the NAS equals the reference. */
  #judgeExactly(): void {
    const wanted = USERS.flatMap(({ user }) => this.#views.get(user.id)?.lines ?? []).sort();
    const places: [string, string | null][] = [];
    for (const folder of this.#nas.folders) if (folder.includes('/')) places.push([folder, null]);
    for (const path of this.#nas.files.keys()) places.push([path, this.#nas.text(path)]);
    const homes = places.filter(([path]) => !path.startsWith('Shared/'));
    const { lines } = new WantedTree(homes);
    const missing = wanted.filter((line) => !lines.includes(line));
    const extra = lines.filter((line) => !wanted.includes(line));
    if (missing.length + extra.length === 0) return;
    this.failures.push(
      `the NAS lacks ${missing.join(', ')}; it has ${extra.join(', ')}: ${this.#states().join(', ')}`,
    );
  }

  /** No file is lost that nobody wanted gone, and none is where nobody moved it. */
  #judgeLost(onNas: ReadonlyMap<string, string>): void {
    const kept = new Set(this.#onPi());
    for (const [content, fate] of this.#fates) {
      if (fate.isForeign) continue;
      const path = onNas.get(content);
      const isWanted = fate.endedBy.size === 0;
      if (path === undefined && isWanted && !kept.has(sha256(content))) {
        this.failures.push(`lost: ${content.trim()} of ${this.#origins.get(content) ?? '?'}`);
      }
      if (isWanted && fate.movedBy.size === 0 && path !== undefined)
        this.#judgePlace(content, path);
    }
  }

  #judgePlace(content: string, path: string): void {
    const origin = this.#origins.get(content) ?? '';
    // An upload that met another file lies next to its place.
    if (path === origin || path.includes('(conflict ')) return;
    // In a folder of Shared it may have arrived before another user moved that.
    if (origin.startsWith('Shared/')) return;
    this.failures.push(`moved by nobody: ${content.trim()} lies at ${path}`);
  }

  /** What was deleted, and reported so, is not there again. */
  #judgeDeleted(onNas: ReadonlyMap<string, string>): void {
    for (const { id, userId, contents } of this.#deletes) {
      if (id !== null && this.#stateOf(id) !== 'synced') continue;
      for (const content of contents) {
        const { isForeign, movedBy } = this.#fate(content);
        const isOthers = isForeign || [...movedBy].some((by) => by !== userId);
        const path = onNas.get(content);
        if (path !== undefined && !isOthers && !this.#isWhereItWas(content, userId, path)) {
          this.failures.push(`deleted, and there again: ${content.trim()} at ${path}`);
        }
      }
    }
  }

  /**
   * What was deleted at the place its user had moved it to, when that move met something else on
   * the NAS and was not carried out: it never was where the delete was, and the move's conflict
   * says so.
   */
  #isWhereItWas(content: string, userId: number, path: string): boolean {
    return this.#fate(content).moves.some(
      ({ id, from, userId: by }) =>
        by === userId && id !== null && isAt(path, from) && this.#stateOf(id) !== 'synced',
    );
  }

  #stateOf(id: string): string | null {
    for (const who of USERS) {
      const listed = this.#bench.upload.view.list(who, null);
      const row = listed.kind === 'uploads' ? listed.uploads.find((one) => one.id === id) : null;
      if (row !== null && row !== undefined) return row.state;
    }
    return null;
  }

  /** Hashes of what waits for somebody's word, or is kept for its time. */
  *#onPi(): Iterable<string> {
    for (const who of USERS) {
      const listed = this.#bench.upload.view.list(who, null);
      if (listed.kind !== 'uploads') continue;
      for (const { state, sha256: hash } of listed.uploads) if (state !== 'synced') yield hash;
    }
    const rows = this.#bench.data.queue.prepare('SELECT id, sha256 FROM kept_bytes').all();
    const names = readdirSync(this.#bench.queueFolder, { recursive: true }).map(String);
    for (const row of rows) {
      if (names.includes(`kept/${String(row['id'])}`)) yield String(row['sha256']);
    }
  }
}

/** Whether the request has to be accepted: nothing speaks against it. */
function isOwed(view: WantedTree, want: Want): boolean {
  if (want.kind === 'upload') return true;
  if (want.kind === 'delete') return true;
  if (want.kind === 'mkdir') return !view.places.has(want.path);
  const isFree = !view.places.has(want.to) && !isAt(want.to, want.path);
  return isFree && want.to !== want.path;
}

function inputOf(want: Exclude<Want, { kind: 'upload' }>, random: Random): QueuedInput {
  if (want.kind !== 'move') return want;
  const { path, to } = want;
  if (above(path) === above(to)) return { kind: 'rename', path, name: nameIn(to) };
  const isInto = nameIn(path) === nameIn(to) && random.next() < 0.5;
  return { kind: 'move', path, target: isInto ? above(to) : to };
}
