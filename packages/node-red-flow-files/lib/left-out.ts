import type { FlowFile } from './flow-set.ts';
import type { FlowNode } from './flow-text.ts';

/** A shipped tab, subflow or global node that stays out because its node types are missing. */
export interface LeftOut {
  readonly kind: 'tab' | 'subflow' | 'node';
  readonly id: string;
  /** What the editor would call it. */
  readonly label: string;
  readonly fileName: string;
  readonly missingTypes: readonly string[];
}

export interface Sifted {
  readonly files: readonly FlowFile[];
  /** Files left out whole. */
  readonly keptFiles: readonly FlowFile[];
  /** Global nodes left out of `shared.json`. */
  readonly keptNodes: readonly FlowNode[];
  readonly leftOut: readonly LeftOut[];
}

/** Node-RED's own kinds, which no module registers. */
const BUILT_IN = new Set(['tab', 'subflow', 'group']);
const INSTANCE = 'subflow:';

/**
 * Parts what can run from what cannot: one missing node type stops all of Node-RED's flows (issue
 * 3). A tab that uses a subflow which stays out stays out too.
 */
export function sift(
  files: readonly FlowFile[],
  installed: ReadonlySet<string> | 'unknown',
): Sifted {
  if (installed === 'unknown') return { files, keptFiles: [], keptNodes: [], leftOut: [] };
  const shared = files.filter(({ container }) => container === null);
  const keptNodes = shared.flatMap(({ nodes }) => nodes.filter(({ type }) => !installed.has(type)));
  const missing = missingByFile(files, installed);
  const keptFiles = files.filter((file) => missing.has(file));
  const leftOut = [
    ...keptFiles.map((file) => leftOutFile(file, missing.get(file) ?? new Set())),
    ...keptNodes.map(leftOutNode(shared)),
  ];
  const running = files
    .filter((file) => !missing.has(file))
    .map((file) => withoutNodes(file, keptNodes));
  return { files: running, keptFiles, keptNodes, leftOut };
}

/** Runs until no further subflow falls out; each round drops at least one file. */
function missingByFile(
  files: readonly FlowFile[],
  installed: ReadonlySet<string>,
): ReadonlyMap<FlowFile, ReadonlySet<string>> {
  const missing = new Map<FlowFile, ReadonlySet<string>>();
  for (let before = -1; before !== missing.size;) {
    before = missing.size;
    const known = new Set(installed);
    for (const file of files) {
      if (file.container?.type === 'subflow' && !missing.has(file)) {
        known.add(`${INSTANCE}${file.container.id}`);
      }
    }
    for (const file of files) {
      const types = file.container === null ? [] : missingTypes(file, known);
      if (types.length > 0 && !missing.has(file)) missing.set(file, new Set(types));
    }
  }
  return missing;
}

function missingTypes(file: FlowFile, known: ReadonlySet<string>): string[] {
  return file.nodes
    .map(({ type }) => type)
    .filter((type) => !BUILT_IN.has(type) && !known.has(type));
}

function leftOutFile(file: FlowFile, types: ReadonlySet<string>): LeftOut {
  const { container, name } = file;
  const kind = container?.type === 'subflow' ? 'subflow' : 'tab';
  return {
    kind,
    id: container?.id ?? '',
    label: textOf(container?.[kind === 'tab' ? 'label' : 'name']) ?? name,
    fileName: name,
    missingTypes: [...types].sort(),
  };
}

function leftOutNode(shared: readonly FlowFile[]): (node: FlowNode) => LeftOut {
  return (node) => ({
    kind: 'node',
    id: node.id,
    label: textOf(node['name']) ?? node.id,
    fileName: shared.find(({ nodes }) => nodes.includes(node))?.name ?? '',
    missingTypes: [node.type],
  });
}

function withoutNodes(file: FlowFile, kept: readonly FlowNode[]): FlowFile {
  if (file.container !== null || kept.length === 0) return file;
  return { ...file, nodes: file.nodes.filter((node) => !kept.includes(node)) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
