/** The extent of a run. */
export interface ProofOptions {
  /** Rounds, bodies, names, connections, cuts or seconds: what the proof counts. */
  readonly count: number;
  /** Seeds every random choice, so that a failure can be reproduced. */
  readonly seed: number;
  /** Progress, a line each. */
  readonly log: (line: string) => void;
}

/** No failure means that it holds. */
export interface ProofResult {
  readonly failures: readonly string[];
  readonly figures: Readonly<Record<string, string | number>>;
  /** Why this machine cannot run it. */
  readonly skipped?: string;
}

export interface Proof {
  readonly title: string;
  /** What `count` counts, in the plural. */
  readonly counts: string;
  /** For every run of the project's own checks. */
  readonly shortCount: number;
  /** Not run unless named: it takes minutes and a machine of its own. */
  readonly onlyByName?: true;
  /** Mostly waits, and does not need the machine to itself. */
  readonly isPatient?: true;
  readonly run: (options: ProofOptions) => Promise<ProofResult>;
}
