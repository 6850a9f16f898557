import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { DataFolder } from './data-folder.ts';
import { faultOf } from './disk-fault.ts';
import { replaceFile } from './last-run.ts';

const FILE = 'last-checks';
const DATABASES = ['queue', 'cache', 'energy'] as const;
type DatabaseName = (typeof DATABASES)[number];

/** Not while a start has everybody come at once. */
const FIRST_LOOK_MS = 900_000;
const LOOK_EVERY_MS = 3_600_000;
const WEEK_MS = 7 * 86_400_000;

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly data: DataFolder;
}

/**
 * Once a week each database is looked through while it is in use: a disk spoils what nobody reads,
 * and what was found in time is still in the newest backup. A start after a run that did not end in
 * order looks as well, before it believes anything ({@link DataFolder}); so does the one after damage
 * was found here, and it is that start which puts it right.
 */
export class IntegrityWatch {
  readonly #deps: Deps;
  readonly #aborter = new AbortController();
  #cancel: Cancel | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    this.#lookIn(FIRST_LOOK_MS);
  }

  /** Ends a look that runs; it is made up for. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#aborter.abort();
    await this.#running;
  }

  #lookIn(delayMs: number): void {
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      this.#running = this.#lookAtAll().finally(() => {
        if (!this.#aborter.signal.aborted) this.#lookIn(LOOK_EVERY_MS);
      });
    });
  }

  /** One after the other: a Pi has one disk. */
  async #lookAtAll(): Promise<void> {
    for (const name of DATABASES) {
      if (!this.#isDue(name)) continue;
      try {
        await this.#lookAt(name);
      } catch (error) {
        if (this.#aborter.signal.aborted) return;
        this.#deps.log.warn(
          `The ${name} database could not be looked through: ${errorKind(error)}`,
        );
      }
    }
  }

  async #lookAt(name: DatabaseName): Promise<void> {
    const { data, log } = this.#deps;
    const looked = await data[name].lookThrough(this.#aborter.signal);
    if (looked.kind === 'not_now') return;
    this.#note(name);
    if (looked.kind === 'sound') {
      log.debug(`The ${name} database was looked through and is sound.`);
      return;
    }
    const found = looked.found.replace(/\s*\n\s*/g, ' ');
    log.error(
      `The ${name} database is damaged (${found}). Start BaluPi again: it puts it aside and goes on.`,
    );
  }

  /** A clock that was put back makes one look too many, which harms nobody. */
  #isDue(name: DatabaseName): boolean {
    const { clock, data } = this.#deps;
    const lastMs = this.#read()[name] ?? -Infinity;
    const sinceMs = clock.nowMs() - lastMs;
    return !data[name].isDamaged && (sinceMs >= WEEK_MS || sinceMs < 0);
  }

  #note(name: DatabaseName): void {
    const { clock, data } = this.#deps;
    try {
      const all = { ...this.#read(), [name]: clock.nowMs() };
      replaceFile(join(data.path, FILE), JSON.stringify(all));
    } catch (error) {
      // It is looked through again then.
      if (faultOf(error) === null) throw error;
    }
  }

  #read(): Readonly<Partial<Record<DatabaseName, number>>> {
    try {
      const told = JSON.parse(readFileSync(join(this.#deps.data.path, FILE), 'utf8')) as unknown;
      return typeof told === 'object' && told !== null ? told : {};
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof SyntaxError || code === 'ENOENT' || faultOf(error) !== null) return {};
      throw error;
    }
  }
}
