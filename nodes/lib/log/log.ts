/**
 * Where a room tells its operator something. The lines are plain sentences; no secret, token,
 * file name or machine path goes in (contract 1), a person's name only as `quoted` gives it. What
 * happens as a matter of course begins with its word: `start:`, `stop:`, `wake:`, `delivery:`,
 * `conflict:`, `sign-in:`.
 */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
