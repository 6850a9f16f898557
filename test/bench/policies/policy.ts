/** One use of an object, as a trace tells it. */
export interface Use {
  readonly key: number;
  readonly sizeBytes: number;
  /** Position in the trace of the object's next use; Infinity where there is none. */
  readonly nextUse: number;
}

/** A cache that holds keys and sizes, no bytes. */
export interface Policy {
  /** Takes one use. @returns whether the object was there */
  use(use: Use): boolean;
  /** Bytes held now. */
  readonly heldBytes: number;
}

/** @param capacityBytes most the policy may hold at any time */
export type NewPolicy = (capacityBytes: number) => Policy;
