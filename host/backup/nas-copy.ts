import { createReadStream, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { errorKind, type Log } from '../../nodes/lib/log/log.ts';
import type { NasApi, NasClient, NasPresence } from '../../nodes/lib/nas/nas.ts';
import type { Cancel, Clock } from '../../nodes/lib/time/clock.ts';
import {
  ChunkedSend,
  HashThread,
  interruptionOf,
  type MultipartSender,
  NasMoves,
  PlainSend,
  readBack,
  type Sent,
} from '../../nodes/lib/upload/upload.ts';
import { isNightName, NAS_FOLDER, NAS_STAGING, outlived, tellLastBackup } from './last-backup.ts';

const LOOK_EVERY_MS = 60_000;
/** Pause after a refusal; then it begins again. */
const LONGEST_PAUSE_MS = 3_600_000;

export interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataFolder: string;
  /** BACKUP_USER. */
  readonly username: string;
  readonly nas: NasClient & Pick<NasApi, 'call'> & MultipartSender;
  readonly presence: Pick<NasPresence, 'state' | 'onChange'>;
  /** The NAS answers, but its disk is not mounted. */
  readonly isStorageMissing: () => boolean;
  readonly userNamed: (username: string) => { readonly id: number } | null;
  /** A token to act for that user now; null if there is none. */
  readonly credentialFor: (userId: number) => Promise<string | null>;
}

type Outcome = 'done' | 'later' | 'refused';

/**
 * Uploads the newest waiting nightly backup to BACKUP_USER's home, as that user, while the NAS is awake
 * anyway; never wakes it. The backup is already sealed: this process knows neither passphrase nor
 * content. Older ones are deleted on the NAS once the new one was read back unchanged.
 */
export class NasCopy {
  readonly #deps: Deps;
  readonly #folder: string;
  readonly #chunked: ChunkedSend;
  readonly #plain: PlainSend;
  readonly #moves: NasMoves;
  readonly #aborter = new AbortController();
  #cancel: Cancel | null = null;
  #unlisten: () => void = () => undefined;
  #isLooking = false;
  #running: Promise<void> = Promise.resolve();
  #pauseMs = LOOK_EVERY_MS;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#folder = join(deps.dataFolder, NAS_STAGING);
    this.#chunked = new ChunkedSend(deps.nas, { read: bytesOf });
    this.#plain = new PlainSend(deps.nas, { read: bytesOf });
    this.#moves = new NasMoves(deps.nas);
  }

  start(): void {
    this.#unlisten = this.#deps.presence.onChange(({ awake }) => {
      if (awake && !this.#isLooking) this.#lookIn(0);
    });
    this.#lookIn(LOOK_EVERY_MS);
  }

  /** Aborts a running upload; the next run starts it again. */
  async stop(): Promise<void> {
    this.#unlisten();
    this.#cancel?.();
    this.#aborter.abort();
    this.#chunked.close();
    await this.#running;
  }

  #lookIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      this.#isLooking = true;
      this.#running = this.#look()
        .catch((error: unknown) => {
          this.#deps.log.error(
            `The outcome of the NAS backup could not be stored: ${errorKind(error)}`,
          );
          return LONGEST_PAUSE_MS;
        })
        .then((nextMs) => {
          this.#isLooking = false;
          if (!this.#aborter.signal.aborted) this.#lookIn(nextMs);
        });
    });
  }

  /** @returns ms until the next look */
  async #look(): Promise<number> {
    const { log, presence, isStorageMissing } = this.#deps;
    let outcome: Outcome = 'later';
    try {
      const name = readdirSync(this.#folder).filter(isNightName).sort().at(-1);
      const isReady = presence.state.awake && !isStorageMissing();
      if (name !== undefined && isReady) outcome = await this.#bring(name);
    } catch (error) {
      if (this.#aborter.signal.aborted) return LOOK_EVERY_MS;
      log.error(`The backup could not be copied to the NAS: ${errorKind(error)}`);
      outcome = 'refused';
    }
    if (outcome === 'refused') {
      tellLastBackup(this.#deps.dataFolder, 'nas', { problem: 'failed' });
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      return this.#pauseMs;
    }
    this.#pauseMs = LOOK_EVERY_MS;
    return LOOK_EVERY_MS;
  }

  async #bring(name: string): Promise<Outcome> {
    const { username, log, nas } = this.#deps;
    const token = await this.#token();
    if (token === null) return 'later';
    const target = `${username}/${NAS_FOLDER}`;
    const made = interruptionOf(await nas.mkdir(token, target));
    // Some NAS versions refuse an existing folder; the upload will tell.
    if (made !== null && made.kind !== 'refused') return 'later';
    const file = join(this.#folder, name);
    const sizeBytes = statSync(file).size;
    const sent = await this.#send(token, { file, sizeBytes, path: `${target}/${name}` });
    if (sent.kind === 'refused' || sent.kind === 'nas_full' || sent.kind === 'trouble') {
      log.error('The NAS refuses the backup for BACKUP_USER.');
      return 'refused';
    }
    if (sent.kind !== 'completed') return 'later';
    return await this.#settle(token, { file, sizeBytes, target, name });
  }

  async #token(): Promise<string | null> {
    const { userNamed, credentialFor, username } = this.#deps;
    const user = userNamed(username);
    return user === null ? null : await credentialFor(user.id);
  }

  async #send(
    token: string,
    { file, sizeBytes, path }: Readonly<{ file: string; sizeBytes: number; path: string }>,
  ): Promise<Sent> {
    const { signal } = this.#aborter;
    try {
      const sent = await this.#chunked.send(token, {
        uploadId: path,
        file,
        sizeBytes,
        path,
        onProgress: () => {
          signal.throwIfAborted();
        },
        mayComplete: () => Promise.resolve(signal.aborted ? 'no' : 'yes'),
      });
      if (sent.kind !== 'no_sessions') return sent;
      const answered = await this.#plain.send(token, path, file, sizeBytes);
      return interruptionOf(answered) ?? { kind: 'completed' };
    } finally {
      this.#chunked.close();
    }
  }

  /** Verifies the upload by reading it back, then deletes the backups it makes obsolete. */
  async #settle(
    token: string,
    sent: Readonly<{ file: string; sizeBytes: number; target: string; name: string }>,
  ): Promise<Outcome> {
    const { file, sizeBytes, target, name } = sent;
    const { nas, log, dataFolder, clock } = this.#deps;
    const { signal } = this.#aborter;
    const path = `${target}/${name}`;
    const read = await readBack(nas, token, { path, size: sizeBytes }, signal);
    if (read.kind !== 'hash') return 'later';
    if (read.sha256 !== (await hashOf(file, sizeBytes))) {
      log.error('The NAS returned the backup with other content than was sent; it is sent again.');
      return 'refused';
    }
    const listing = await nas.list(token, target, { signal });
    const names = listing.kind === 'listing' ? listing.items.map((item) => item.name) : [];
    for (const old of outlived(names, name)) await this.#moves.remove(token, `${target}/${old}`);
    rmSync(file, { force: true });
    const at = new Date(clock.nowMs()).toISOString();
    tellLastBackup(dataFolder, 'nas', { problem: null, made: { at, where: target, sizeBytes } });
    log.info('A backup was copied to the NAS.');
    return 'done';
  }
}

function bytesOf(file: string, firstByte: number, lengthBytes: number): Readable {
  if (lengthBytes === 0) return Readable.from([]);
  return createReadStream(file, { start: firstByte, end: firstByte + lengthBytes - 1 });
}

async function hashOf(file: string, sizeBytes: number): Promise<string> {
  const thread = new HashThread();
  try {
    const hash = thread.follow(file);
    hash.extend(sizeBytes);
    return await hash.finish(sizeBytes);
  } finally {
    await thread.stop();
  }
}
