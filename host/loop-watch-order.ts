/** Places in what loop and watch share. */
export const BEATS = 0;
export const DISK_WAITS = 1;

/** What the watching thread is told at its start. */
export interface LoopWatchOrder {
  /** Counted up by the event loop at {@link BEATS}, by the watch at {@link DISK_WAITS}. */
  readonly counts: Int32Array;
  readonly pid: number;
  readonly errorMark: string;
  readonly lookEveryMs: number;
  /** A wait for the disk of this length is counted. */
  readonly slowMs: number;
  /** CPU time of the main thread without a beat, after which the process is ended. */
  readonly burnedMs: number;
  /** Time without a beat, after which a main thread that waits is ended. */
  readonly stalledMs: number;
}
