interface Waiting<Job, Result> {
  readonly job: Job;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets jobs that end at about the same time share one costly commit. A job that comes while a
 * commit is under way waits for the next; nobody waits for company.
 */
export class GroupCommit<Job, Result> {
  readonly #commit: (jobs: readonly Job[]) => Promise<readonly Result[]>;
  #waiting: Waiting<Job, Result>[] = [];
  #running: Promise<void> | null = null;

  /** @param commit does all of a group; gives a result for each job in order, or rejects for all */
  constructor(commit: (jobs: readonly Job[]) => Promise<readonly Result[]>) {
    this.#commit = commit;
  }

  /** @throws what the commit of its group rejects with */
  async join(job: Job): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.push({ job, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when nothing is being committed. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // One turn's grace lets those that ended in the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#commitGroup(group);
    }
    this.#running = null;
  }

  async #commitGroup(group: readonly Waiting<Job, Result>[]): Promise<void> {
    try {
      const results = await this.#commit(group.map(({ job }) => job));
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result === undefined) reject(new Error('A commit gave no result for a job.'));
        else resolve(result);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
