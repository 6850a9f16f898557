import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { PROGRAM_ENDING } from '../project-folder.ts';
import type { LoadJob, LoadResult } from './load-job.ts';
import { ended, spawnNode } from './programs.ts';

/** The load generator, in a process and on a core of its own. */
export class Load {
  readonly #child: ChildProcess;

  constructor() {
    const program = join(import.meta.dirname, `load-process${PROGRAM_ENDING}`);
    this.#child = spawnNode(1, [program]);
  }

  /** One job at a time. @throws Error at an unexpected answer */
  async run(job: LoadJob): Promise<LoadResult> {
    const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
    const onExit = (): void => {
      reject(new Error('The load generator ended.'));
    };
    this.#child.once('message', (result) => {
      resolve(result as LoadResult);
    });
    this.#child.once('exit', onExit);
    this.#child.send(job);
    try {
      const result = await promise;
      if (result.fault !== null) throw new Error(`The load met a fault: ${result.fault}.`);
      return result;
    } finally {
      this.#child.off('exit', onExit);
    }
  }

  async stop(): Promise<void> {
    await ended(this.#child);
  }
}
