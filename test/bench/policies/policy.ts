/** One use of an object in a trace. */
export interface Use {
  readonly key: number;
  readonly sizeBytes: number;
  /** Position in the trace of the object's next use; Infinity for none. */
  readonly nextUse: number;
}

/** A cache that holds keys and sizes, no bytes. */
export interface Policy {
  /** Records one use. @returns whether the object was held */
  use(use: Use): boolean;
  /** Bytes held now. */
  readonly heldBytes: number;
}

/** @param capacityBytes the most the policy may hold at any time */
export type NewPolicy = (capacityBytes: number) => Policy;
