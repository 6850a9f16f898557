/** How hard a proof tries. */
export interface ProofOptions {
  /** Rounds, bodies, names, connections, cuts or seconds: what the proof counts. */
  readonly count: number;
  /** Decides every random choice, so that a failure can be seen again. */
  readonly seed: number;
  /** Progress, a line each. */
  readonly log: (line: string) => void;
}

/** What came out. No failure means that it holds. */
export interface ProofResult {
  readonly failures: readonly string[];
  readonly figures: Readonly<Record<string, string | number>>;
  /** Why it could not be tried on this machine. */
  readonly skipped?: string;
}

export interface Proof {
  readonly title: string;
  /** What `count` counts, in the plural. */
  readonly counts: string;
  /** For every run of the project's own checks. */
  readonly shortCount: number;
  /** Left out where no proof is named: it takes minutes and a machine of its own. */
  readonly onlyByName?: true;
  /** Most of its time it waits, and nothing it says depends on having the machine to itself. */
  readonly isPatient?: true;
  readonly run: (options: ProofOptions) => Promise<ProofResult>;
}
