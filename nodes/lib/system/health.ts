/** What one check found. `ok` or a stable word; anything else makes the whole `degraded`. */
export type CheckResult = string;

/** A named question about this moment, answered from memory or by one cheap statement. */
export interface Check {
  readonly name: string;
  /** Words that are fine, beside `ok`: a sleeping NAS is no fault. */
  readonly fine?: readonly string[];
  /** Whatever it says is fine: a list for the reader. */
  readonly isToldOnly?: boolean;
  run(): CheckResult;
}

export interface Health {
  readonly status: 'ok' | 'degraded';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** Runs every check. A check that throws is `failing`, and the others still run. */
export function examine(checks: readonly Check[]): Health {
  const found: Record<string, CheckResult> = {};
  let status: Health['status'] = 'ok';
  for (const check of checks) {
    const result = runOne(check);
    found[check.name] = result;
    if (!isFine(check, result)) status = 'degraded';
  }
  return { status, checks: found };
}

function isFine({ fine = [], isToldOnly = false }: Check, result: CheckResult): boolean {
  return result === 'ok' || isToldOnly || fine.includes(result);
}

function runOne(check: Check): CheckResult {
  try {
    return check.run();
  } catch (error) {
    // The word is all a caller gets; the reason may name a file.
    return error instanceof Error ? 'failing' : 'unknown';
  }
}
