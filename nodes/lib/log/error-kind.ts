/**
 * What an error is, for a log: its code, else its name. Its message may name a path or a person and
 * stays out of logs.
 */
export function errorKind(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error ? String(error.code) : error.name;
}
