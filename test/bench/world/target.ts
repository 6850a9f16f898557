/** A server under measurement. */
export interface Target {
  readonly name: string;
  readonly port: number;
  /** The processes that do its work. */
  readonly pids: readonly number[];
  readonly headers: Readonly<Record<string, string>>;
  /** The path at which it serves a file of the bench. */
  pathOf(file: string): string;
  stop(): Promise<void>;
}
