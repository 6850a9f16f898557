/** A row of Node-RED's registry (`RED.runtime`'s `getNodeList`), as far as it is read here. */
export interface NodeSet {
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly loaded?: boolean;
  readonly err?: unknown;
  /** The package it is of. */
  readonly module?: string;
  readonly version?: string;
  /** It lies in the data folder: an owner put it there. */
  readonly local?: boolean;
}

/**
 * The node types that can run, from Node-RED's registry. It is asked rather than the packages on
 * disk, because a package may be there and its compiled part not load.
 * @returns `unknown` while the registry is empty, which it is before Node-RED loaded its nodes
 */
export function loadedTypes(nodeSets: readonly NodeSet[]): ReadonlySet<string> | 'unknown' {
  if (nodeSets.length === 0) return 'unknown';
  const running = nodeSets.filter(({ enabled, loaded, err }) => {
    return enabled && loaded !== false && (err === undefined || err === null);
  });
  return new Set(running.flatMap(({ types }) => types));
}
