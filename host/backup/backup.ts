import { constants, type Dirent } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import type { DataFolder } from '../../nodes/lib/store/data-folder.ts';
import { QUEUE_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { faultOfCopy, Store } from '../../nodes/lib/store/store.ts';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { RecoveryRows } from '../../nodes/lib/upload/upload.ts';
import { nodeRedFolder } from '../node-red-settings.ts';
import { archiveOf, CannotBackUp, type OutgoingEntry } from './archive.ts';
import {
  FLOWS,
  KEY,
  NODE_RED,
  NODE_RED_FILES,
  QUEUE,
  SECRET_SETTING,
  SETTINGS,
} from './last-backup.ts';

/** Copies of the databases, while a backup runs. */
const SCRATCH = 'backup-running';
const ENDS = /^ends-.*\.log$/;
/** Files of the queue's folder other than bodies; `ends-….log` are read last. */
const INTENTS = /\.intents$/;
const UNFINISHED = /\.(?:part|intent)$/;

export interface Deps {
  readonly data: DataFolder;
  readonly clock: Clock;
  readonly version: string;
  /** SECRET_KEY, wherever it was set. */
  readonly secretKey: string;
  /** BACKUP_USER, whose home on the NAS holds a backup; null if not set. */
  readonly ownUser: string | null;
  readonly userNamed: (username: string) => { readonly id: number } | null;
  /** Flushes samples from memory to the database. */
  readonly writeSamples: () => void;
}

/**
 * What a backup contains: `whole`, everything; `own`, no queued files of users other than BACKUP_USER;
 * `open`, nothing secret.
 */
export type BackupScope = 'whole' | 'own' | 'open';

interface Owner {
  readonly username: string;
  readonly id: number;
}

/** An upload the copied database counts as waiting. */
interface Body {
  readonly id: string;
  readonly userId: number;
  readonly sha256: string;
}

/**
 * Everything needed to restore this BaluPi elsewhere, read while it runs: consistent copies of the
 * databases, then the files. The order makes it complete without stopping anything: if an upload waits
 * in the copied database but its file is gone, it was delivered or dropped since, and its end was
 * written before the file was deleted; so the ends are read last.
 */
export class Backup {
  readonly #deps: Deps;
  readonly #scratch: string;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#scratch = join(deps.data.path, SCRATCH);
  }

  /**
   * @param scope all but `open` contain keys, credentials and queued files, and must be sealed before
   *   they are stored; `open` contains energy, flows and settings only
   */
  async *stream(scope: BackupScope): AsyncGenerator<Buffer> {
    try {
      await this.clear();
      await mkdir(this.#scratch, { mode: 0o700 });
      const { version, clock } = this.#deps;
      const madeAt = new Date(clock.nowMs()).toISOString();
      const missing: string[] = [];
      if (scope === 'open') {
        yield* archiveOf({ version, madeAt, isWhole: false }, this.#harmless(), () => missing);
        return;
      }
      const own = scope === 'own' ? this.#own() : null;
      const uploadsOf = own === null ? {} : { uploadsOf: own.username };
      const entries = this.#everything(own, missing);
      yield* archiveOf({ version, madeAt, isWhole: true, ...uploadsOf }, entries, () => missing);
    } finally {
      await this.clear();
    }
  }

  /** Removes what an aborted backup left behind. */
  async clear(): Promise<void> {
    await rm(this.#scratch, { recursive: true, force: true });
  }

  #own(): Owner {
    const { ownUser, userNamed } = this.#deps;
    const user = ownUser === null ? null : userNamed(ownUser);
    if (ownUser === null || user === null)
      throw new CannotBackUp('BACKUP_USER never signed in here.');
    return { username: ownUser, id: user.id };
  }

  async *#everything(own: Owner | null, missing: string[]): AsyncGenerator<OutgoingEntry> {
    const { data, secretKey } = this.#deps;
    const queue = await this.#copy('queue');
    const energy = await this.#copy('energy');
    const bodies = bodiesIn(queue).filter(({ userId }) => own === null || userId === own.id);
    yield* this.#database('queue', queue);
    yield* this.#database('energy', energy);
    yield entryOf(KEY, Buffer.from(`${secretKey}\n`));
    yield* fileAt(data.path, SETTINGS);
    yield* this.#below(FLOWS);
    for (const name of NODE_RED_FILES) {
      yield* fileAt(data.path, `${NODE_RED}/${name}`, join(nodeRedFolder(data.path), name));
    }
    yield* this.#queued(bodies, own === null, missing);
  }

  async *#harmless(): AsyncGenerator<OutgoingEntry> {
    const { data } = this.#deps;
    yield* this.#database('energy', await this.#copy('energy'));
    yield* openSettings(join(data.path, SETTINGS));
    yield* this.#below(FLOWS);
  }

  /** @param everybodys also unfinished uploads and conflict backups, of all users */
  async *#queued(
    bodies: readonly Body[],
    everybodys: boolean,
    missing: string[],
  ): AsyncGenerator<OutgoingEntry> {
    const folder = this.#deps.data.path;
    for (const name of await namesIn(join(folder, QUEUE), INTENTS)) {
      yield* fileAt(folder, `${QUEUE}/${name}`);
    }
    const gone: string[] = [];
    for (const { id, sha256 } of bodies) {
      let isThere = false;
      for await (const entry of fileAt(folder, `${QUEUE}/${id}`)) {
        isThere = true;
        yield { ...entry, sha256 };
      }
      if (!isThere) gone.push(id);
    }
    if (everybodys) yield* this.#unfinishedAndKept();
    yield* this.#ends(gone, missing);
  }

  async *#unfinishedAndKept(): AsyncGenerator<OutgoingEntry> {
    const folder = this.#deps.data.path;
    for (const name of await namesIn(join(folder, QUEUE, 'resumable'), UNFINISHED)) {
      yield* fileAt(folder, `${QUEUE}/resumable/${name}`);
    }
    yield* this.#below(`${QUEUE}/kept`);
  }

  /** Each read at one moment: they decide what counts as missing. */
  async *#ends(gone: readonly string[], missing: string[]): AsyncGenerator<OutgoingEntry> {
    const folder = join(this.#deps.data.path, QUEUE);
    let unexplained = gone;
    for (const name of await namesIn(folder, ENDS)) {
      const bytes = await readFile(join(folder, name));
      unexplained = unexplained.filter((id) => !bytes.includes(`"id":"${id}"`));
      yield entryOf(`${QUEUE}/${name}`, bytes);
    }
    missing.push(...unexplained.map((id) => `${QUEUE}/${id}`));
  }

  async *#below(folder: string): AsyncGenerator<OutgoingEntry> {
    const root = join(this.#deps.data.path, folder);
    for (const entry of await entriesIn(root, true)) {
      if (!entry.isFile() || entry.name.endsWith('.next')) continue;
      const inside = relative(root, join(entry.parentPath, entry.name));
      yield* fileAt(this.#deps.data.path, `${folder}/${inside}`);
    }
  }

  /** @returns path of a checked copy of that database */
  async #copy(name: 'queue' | 'energy'): Promise<string> {
    const { data, writeSamples } = this.#deps;
    if (name === 'energy') writeSamples();
    const { size } = await stat(join(data.path, `${name}.db`));
    const { bavail, bsize } = await statfs(data.path);
    // The copy, its check, and the same again as a reserve.
    if (bavail * bsize < size * 3) throw new CannotBackUp(`No room to copy ${name}.db.`);
    const file = join(this.#scratch, `${name}.db`);
    await data[name].file.copyTo(file);
    const fault = await faultOfCopy(file);
    if (fault === null) return file;
    data[name].file.foundDamaged();
    throw new CannotBackUp(`The ${name} database is damaged (${fault}). Start BaluPi again.`);
  }

  async *#database(name: string, file: string): AsyncGenerator<OutgoingEntry> {
    yield* fileAt(this.#scratch, `${name}.db`, file);
  }
}

/** The uploads waiting for the NAS in a copy of the queue's database. */
function bodiesIn(file: string): readonly Body[] {
  const store = Store.open({
    file,
    name: 'queue',
    synchronous: 'NORMAL',
    migrations: QUEUE_MIGRATIONS,
    isAlone: true,
  });
  try {
    const rows = new RecoveryRows(store);
    const bodies: Body[] = [];
    let seq = 0;
    for (let some = rows.withBytesAfter(seq); some.length > 0; some = rows.withBytesAfter(seq)) {
      for (const row of some) {
        seq = row.seq;
        if (row.state === 'synced' || row.state === 'conflict') continue;
        bodies.push({ id: row.id, userId: row.userId, sha256: row.sha256 });
      }
    }
    return bodies;
  } finally {
    store.close();
  }
}

/** One file, with its size at opening; nothing if it is gone. */
async function* fileAt(
  folder: string,
  name: string,
  file = join(folder, name),
): AsyncGenerator<OutgoingEntry, undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(unlessGone);
  if (handle === null) return undefined;
  const { size } = await handle.stat();
  const content =
    size === 0
      ? Readable.from([], { objectMode: false })
      : handle.createReadStream({ start: 0, end: size - 1, autoClose: false });
  try {
    yield { name, sizeBytes: size, content, sha256: null };
  } finally {
    content.destroy();
    await handle.close();
  }
  return undefined;
}

function entryOf(name: string, bytes: Buffer): OutgoingEntry {
  return { name, sizeBytes: bytes.length, content: Readable.from([bytes]), sha256: null };
}

/** Settings that are not secret and do not lead to secrets. */
async function* openSettings(file: string): AsyncGenerator<OutgoingEntry> {
  const text = await readFile(file, 'utf8').catch(unlessGone);
  if (text === null) return;
  const all = Object.entries(JSON.parse(text) as Record<string, string>);
  const open = Object.fromEntries(all.filter(([name]) => !SECRET_SETTING.test(name)));
  yield entryOf(SETTINGS, Buffer.from(`${JSON.stringify(open, null, 2)}\n`));
}

async function entriesIn(folder: string, recursive: boolean): Promise<readonly Dirent[]> {
  return (await readdir(folder, { withFileTypes: true, recursive }).catch(unlessGone)) ?? [];
}

async function namesIn(folder: string, pattern: RegExp): Promise<readonly string[]> {
  const names = (await entriesIn(folder, false)).map(({ name }) => name);
  return names.filter((name) => pattern.test(name)).sort();
}

function unlessGone(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}
