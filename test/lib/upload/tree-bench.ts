import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { Files, type StoredItem } from '../../../nodes/lib/files/files.ts';
import type { QueuedInput, UploadDeps } from '../../../nodes/lib/upload/upload.ts';
import { keepDelivered, pendingUploads, shownEntry } from '../../../compose/files.ts';
import { ALICE, UploadBench } from './upload-bench.ts';

/** What a user sees at and below a folder: a hash for a file, null for a folder. */
export type SeenTree = ReadonlyMap<string, string | null>;

/**
 * A {@link UploadBench} whose uploads use the files module, so that what users see is what they
 * change.
 */
export class TreeBench {
  readonly bench: UploadBench;
  readonly #over: Partial<UploadDeps>;
  files: Files;

  constructor(over: Partial<UploadDeps> = {}) {
    this.#over = over;
    this.bench = new UploadBench(this.#ports());
    this.files = this.#filesOf();
  }

  async start(): Promise<void> {
    await this.bench.start();
  }

  /** Discards the process and starts another over the same folder. */
  async restart(
    over: Partial<UploadDeps> = {},
    meanwhile: (bench: UploadBench) => void = () => undefined,
  ): Promise<void> {
    const ports = { ...this.#ports(), ...over };
    await this.bench.restart(ports, meanwhile, () => {
      this.files = this.#filesOf();
    });
  }

  async close(): Promise<void> {
    await this.bench.close();
  }

  /** Lists a folder and all below it while the NAS is awake, as an app does that browses. */
  async lookAround(who: Caller = ALICE, from = who.user.username): Promise<void> {
    const wasAwake = this.bench.presence.awake;
    this.bench.presence.awake = true;
    await this.bench.clock.advance(10_001);
    const folders = [from];
    for (const folder of folders) {
      const listed = await this.files.list(who, folder);
      if (listed.kind !== 'listing') throw new Error(`${folder}: ${listed.kind}`);
      for (const item of listed.listing.items) if (item.isDirectory) folders.push(item.path);
      for (const item of listed.listing.queued) {
        const isFolder = item.upload === null && item.moved?.isDirectory !== false;
        if (isFolder) folders.push(item.path);
      }
    }
    this.bench.presence.awake = wasAwake;
  }

  async seen(who: Caller = ALICE, from = who.user.username): Promise<SeenTree> {
    const seen = new Map<string, string | null>();
    const folders = [from];
    for (const folder of folders) {
      for (const [path, hash] of await this.#seenIn(who, folder)) {
        seen.set(path, hash);
        if (hash === null) folders.push(path);
      }
    }
    return seen;
  }

  /** One folder; queued entries replace what they stand for. */
  async #seenIn(who: Caller, folder: string): Promise<SeenTree> {
    const outcome = await this.files.list(who, folder);
    if (outcome.kind !== 'listing') throw new Error(`${folder}: ${outcome.kind}`);
    const seen = new Map<string, string | null>();
    const { items, queued } = outcome.listing;
    for (const item of items) seen.set(item.path, hashOf(item));
    for (const { path, upload, moved } of queued) {
      seen.set(path, upload?.sha256 ?? (moved === undefined ? null : hashOf(moved)));
    }
    return seen;
  }

  /** The hash of what a download of the path would send; the kind of answer if it is none. */
  async download(path: string, who: Caller = ALICE): Promise<string> {
    const found = await this.files.locatePath(who, path);
    if (found.kind === 'queued') return found.upload.sha256;
    if (found.kind !== 'located') return found.kind;
    return found.file.version?.checksum ?? `at ${found.file.path}`;
  }

  async change(input: QueuedInput, who: Caller = ALICE): Promise<string> {
    const taken = await this.bench.upload.acceptChange(who, input);
    return taken.kind === 'refused' ? taken.code : taken.kind;
  }

  delete(path: string, who: Caller = ALICE): Promise<string> {
    return this.change({ kind: 'delete', path }, who);
  }

  rename(path: string, name: string, who: Caller = ALICE): Promise<string> {
    return this.change({ kind: 'rename', path, name }, who);
  }

  move(path: string, target: string, who: Caller = ALICE): Promise<string> {
    return this.change({ kind: 'move', path, target }, who);
  }

  mkdir(path: string, who: Caller = ALICE): Promise<string> {
    return this.change({ kind: 'mkdir', path }, who);
  }

  /** States of everything in the queue, oldest first: uploads by name, changes by kind. */
  states(who: Caller = ALICE): string[] {
    const listed = this.bench.upload.view.list(who, null);
    if (listed.kind !== 'uploads') throw new Error('no list');
    return listed.uploads.map(({ kind = 'upload', state }) => `${kind} ${state}`).reverse();
  }

  #ports(): Partial<UploadDeps> {
    return {
      listings: { shows: (userId, path) => shownEntry(this.files, userId, path) },
      shownPlaces: {
        treeShown: (userId, path, most) => this.files.trees.tree(userId, path, most),
        placeShown: (userId, path) => this.files.trees.place(userId, path),
        uploadShown: (userId, path) => this.files.uploadShown(userId, path),
      },
      keep: (delivered) =>
        keepDelivered(
          { files: this.files, cache: { admit: () => Promise.resolve('no_room' as const) } },
          delivered,
        ),
      changed: (change) => {
        const places = change.kind === 'moved' ? [change.from, change.to] : [change.path];
        for (const place of places) this.files.forget(place);
        return Promise.resolve();
      },
      ...this.#over,
    };
  }

  #filesOf(): Files {
    const { bench } = this;
    const presence = {
      get state() {
        return bench.presence.state;
      },
    };
    return new Files({
      store: bench.data.cache,
      nas: bench.nas.client(),
      presence,
      clock: bench.clock,
      trustedNowMs: () => bench.clock.nowMs(),
      tokenOf: ({ user }) => Promise.resolve(bench.tokens.get(user.id) ?? null),
      tokenRefused: () => undefined,
      holdsCredential: () => true,
      isKept: () => false,
      pending: pendingUploads(() => bench.upload),
    });
  }
}

function hashOf({ isDirectory, checksum }: StoredItem): string | null {
  return isDirectory ? null : (checksum ?? '');
}
