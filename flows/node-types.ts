/** The fields used of a row of Node-RED's registry (`getNodeList`). */
export interface NodeSet {
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly loaded?: boolean;
  readonly err?: unknown;
  /** Its package. */
  readonly module?: string;
  readonly version?: string;
  /** In the data folder, so added by the owner. */
  readonly local?: boolean;
}

/**
 * The node types that can run, by Node-RED's registry rather than the packages on disk: a package may
 * exist while its compiled part does not load.
 * @returns `unknown` while the registry is empty, before Node-RED has loaded its nodes
 */
export function loadedTypes(nodeSets: readonly NodeSet[]): ReadonlySet<string> | 'unknown' {
  if (nodeSets.length === 0) return 'unknown';
  const running = nodeSets.filter(({ enabled, loaded, err }) => {
    return enabled && loaded !== false && (err === undefined || err === null);
  });
  return new Set(running.flatMap(({ types }) => types));
}
