/** One span of load, as the load process receives it. */
export type LoadJob =
  | {
      readonly kind: 'read';
      readonly port: number;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly connections: number;
      /** Ends after this, whatever is under way. */
      readonly durationMs: number;
      /** Ends after that many complete answers. */
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
  /** Complete answers, all with the wanted status. */
  readonly answers: number;
  /** Body bytes, including those of incomplete answers. */
  readonly bytes: number;
  readonly seconds: number;
  /** The first fault; null for none. */
  readonly fault: string | null;
  /** An upload's answer. */
  readonly body?: string;
}
