import type { NasFileItem } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
import type { ChunkedSend, Sending } from './chunked-send.ts';
import type { DeliveryStep, StepOutcome } from './delivery-step.ts';
import type { Interruption } from './interruption.ts';
import type { NamesSeen, NasFolder } from './nas-folder.ts';
import { standingOf } from './row-base.ts';
import type { TargetCheck, Wanted } from './target-check.ts';
import type { UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';

/** What was found to be free a moment ago is looked at again after this, ms. */
const LOOK_HOLDS_MS = 1_000;

export type BatchOutcome =
  | StepOutcome
  /** It needs the longer way of {@link DeliveryStep}. */
  | { readonly kind: 'alone' }
  /** Nothing was tried for it. */
  | { readonly kind: 'untouched' };

export interface DeliveryBatchParts {
  readonly uploads: UploadRows;
  readonly check: TargetCheck;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly step: DeliveryStep;
  readonly clock: Clock;
  readonly fileOf: (id: string) => string;
}

interface Run {
  readonly token: string;
  readonly signal: AbortSignal;
  readonly onProgress: () => void;
  readonly folder: string;
  readonly outcomes: Map<string, BatchOutcome>;
}

/** A row on its way, and what lay in its place when it was looked at first. */
interface Flying {
  readonly row: UploadRow;
  readonly wanted: Wanted;
  readonly seenFree: NasFileItem | null;
}

/**
 * Several small files of one user in one folder on their way together: the NAS is asked for all of
 * them at once before the first step, before the last step and for the proof, as its limit on
 * looking (200 a minute) is far below what it can take. Anything out of the ordinary goes alone.
 */
export class DeliveryBatch {
  readonly #parts: DeliveryBatchParts;

  constructor(parts: DeliveryBatchParts) {
    this.#parts = parts;
  }

  /**
   * @param rows claimed, of one user and one folder, decided, each path once
   * @param onProgress called after each chunk
   * @returns an outcome for each row, by its id
   * @throws the Pi's disk's error
   */
  async deliver(
    rows: readonly UploadRow[],
    token: string,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<ReadonlyMap<string, BatchOutcome>> {
    const run: Run = {
      token,
      signal,
      onProgress,
      folder: rows[0]?.folder ?? '',
      outcomes: new Map(),
    };
    const stop = await this.#fly(rows, run);
    if (stop !== null) decideRest(rows, run.outcomes, stop);
    return run.outcomes;
  }

  async #fly(rows: readonly UploadRow[], run: Run): Promise<Interruption | null> {
    const looked = await this.#look(rows, run);
    if (!Array.isArray(looked)) return looked;
    const ready: Flying[] = [];
    for (const flying of looked) {
      const prepared = await this.#parts.chunked.prepare(run.token, this.#sending(flying, run));
      if (prepared.kind === 'ready') ready.push(flying);
      else if (prepared.kind === 'no_sessions' || prepared.kind === 'refused') {
        run.outcomes.set(flying.row.id, ALONE);
      } else if (isWhole(prepared)) return prepared;
      else run.outcomes.set(flying.row.id, prepared);
    }
    return await this.#finish(ready, run);
  }

  /** The look before the first step. @returns what may be sent */
  async #look(rows: readonly UploadRow[], run: Run): Promise<Flying[] | Interruption> {
    const { folders, check, uploads } = this.#parts;
    const seen = await this.#see(rows, true, run);
    if (seen.kind !== 'seen') return seen;
    if (seen.folderEmpty) {
      const interruption = await folders.ensure(run.token, run.folder, run.signal);
      if (interruption !== null) return interruption;
    }
    const flying: Flying[] = [];
    for (const row of rows) {
      const { path, sizeBytes, sha256 } = row;
      const { base, copyPath } = standingOf(row, uploads);
      if (copyPath !== null) {
        run.outcomes.set(row.id, ALONE);
        continue;
      }
      const wanted: Wanted = { path, sizeBytes, sha256, base };
      const item = seen.items.get(row.filename) ?? null;
      const verdict =
        item === null ? 'unchanged' : await check.judge(run.token, wanted, item, run.signal);
      if (typeof verdict !== 'string') return verdict;
      if (verdict === 'unchanged') flying.push({ row, wanted, seenFree: item });
      else if (verdict === 'changed' || item === null) run.outcomes.set(row.id, ALONE);
      else run.outcomes.set(row.id, { kind: 'delivered', path, item, beside: false });
    }
    return flying;
  }

  /** The look right before the last step, the last step itself, and the proof. */
  async #finish(ready: readonly Flying[], run: Run): Promise<Interruption | null> {
    const { clock, chunked, folders } = this.#parts;
    const sent: Flying[] = [];
    let seen: NamesSeen | null = null;
    let seenAtMs = -Infinity;
    let stop: Interruption | null = null;
    for (const [index, flying] of ready.entries()) {
      if (seen === null || clock.monotonicMs() - seenAtMs > LOOK_HOLDS_MS) {
        seen = await this.#see(
          ready.slice(index).map(({ row }) => row),
          false,
          run,
        );
        seenAtMs = clock.monotonicMs();
      }
      if (seen.kind !== 'seen') {
        stop = seen;
        break;
      }
      const may = await this.#mayFinish(flying, seen.items.get(flying.row.filename) ?? null, run);
      if (may !== 'yes') {
        run.outcomes.set(flying.row.id, ALONE);
        continue;
      }
      const finished = await chunked.finish(run.token, this.#sending(flying, run));
      folders.changed();
      if (finished.kind === 'completed') sent.push(flying);
      else if (!isInterruption(finished) || finished.kind === 'refused') {
        run.outcomes.set(flying.row.id, ALONE);
      } else if (isWhole(finished)) {
        stop = finished;
        break;
      } else run.outcomes.set(flying.row.id, finished);
    }
    return (await this.#prove(sent, run)) ?? stop;
  }

  async #mayFinish(
    { wanted, seenFree }: Flying,
    item: NasFileItem | null,
    run: Run,
  ): Promise<'yes' | 'no'> {
    if (item === null) return 'yes';
    const { token, signal } = run;
    const verdict = await this.#parts.check.judge(token, { ...wanted, seenFree }, item, signal);
    return verdict === 'unchanged' ? 'yes' : 'no';
  }

  async #prove(sent: readonly Flying[], run: Run): Promise<Interruption | null> {
    if (sent.length === 0) return null;
    const { step } = this.#parts;
    const seen = await this.#see(
      sent.map(({ row }) => row),
      false,
      run,
    );
    if (seen.kind !== 'seen') return seen;
    for (const { row, wanted } of sent) {
      const item = seen.items.get(row.filename) ?? null;
      const proved = await step.prove(wanted, false, item, run.token, run.signal);
      run.outcomes.set(row.id, proved);
    }
    return null;
  }

  async #see(rows: readonly UploadRow[], lately: boolean, run: Run): Promise<NamesSeen> {
    const names = rows.map(({ filename }) => filename);
    return await this.#parts.folders.look(run.token, run.folder, names, lately, run.signal);
  }

  #sending({ row }: Flying, run: Run): Sending {
    return {
      uploadId: row.id,
      file: this.#parts.fileOf(row.id),
      sizeBytes: row.sizeBytes,
      path: row.path,
      onProgress: run.onProgress,
      mayComplete: () => Promise.resolve('yes'),
    };
  }
}

const ALONE = { kind: 'alone' } as const;

/** Whether it stops all the files of a user and not just this one. */
function isWhole(interruption: Interruption): boolean {
  return ['gone', 'busy', 'nas_full', 'credential_refused'].includes(interruption.kind);
}

function isInterruption(given: { readonly kind: string }): given is Interruption {
  return ['gone', 'busy', 'nas_full', 'credential_refused', 'trouble', 'refused'].includes(
    given.kind,
  );
}

/** One row tells what happened; the others are as they were, or find out for themselves. */
function decideRest(
  rows: readonly UploadRow[],
  outcomes: Map<string, BatchOutcome>,
  stop: Interruption,
): void {
  let told = false;
  for (const { id } of rows) {
    if (outcomes.has(id)) continue;
    if (!isWhole(stop)) outcomes.set(id, ALONE);
    else outcomes.set(id, told ? { kind: 'untouched' } : stop);
    told = true;
  }
}
