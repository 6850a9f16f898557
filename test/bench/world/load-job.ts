/** One stretch of load, as the load process is told it. */
export type LoadJob =
  | {
      readonly kind: 'read';
      readonly port: number;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly connections: number;
      /** Ends after so long, whatever is under way. */
      readonly durationMs: number;
      /** Ends after so many whole answers. */
      readonly mostAnswers?: number;
    }
  | {
      readonly kind: 'upload';
      readonly port: number;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly filename: string;
      readonly sizeBytes: number;
    };

export interface LoadResult {
  /** Whole answers, all with the wanted status. */
  readonly answers: number;
  /** Bytes of bodies, of unfinished answers too. */
  readonly bytes: number;
  readonly seconds: number;
  /** What went wrong first; null when nothing did. */
  readonly fault: string | null;
  /** Of an upload: what was answered. */
  readonly body?: string;
}
