/**
 * Where a room tells its operator something. The lines are plain sentences; no secret, token,
 * file name or machine path goes in (contract 1).
 */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}
