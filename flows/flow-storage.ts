import { mkdirSync } from 'node:fs';
import type { Log } from '../nodes/lib/log/log.ts';
import {
  asNodes,
  DiskFlowFolder,
  FlowFiles,
  type FlowFolder,
  type InstalledTypes,
  type LeftOut,
  overStockStorage,
  type StorageModule,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, tabOf, tellOfLayers } from './flow-layers.ts';
import { deployedOverSafe, SafeFlowFolder } from './safe-flows.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';

export interface FlowStorageDeps {
  /** Shipped flows. Nothing is written there where an owner's folder is given. */
  readonly flowsFolder: string;
  /** What is deployed goes there: own tabs, and what differs of shipped ones. */
  readonly ownerFolder?: string;
  readonly installedTypes: InstalledTypes;
  readonly log: Log;
  /** Called after each load with all that was left out, none too. */
  readonly onLeftOut: (leftOut: readonly LeftOut[]) => void;
  /** Own tabs and changes of shipped ones are kept and do not run. */
  readonly isSafe?: () => boolean;
  /** Called with the names of the tabs in which this version and the owner changed the same nodes. */
  readonly onChangedByBoth?: (tabs: readonly string[]) => void;
  /** A deploy made in safe mode was saved. */
  readonly onSafeDeploy?: () => void;
}

/**
 * The shipped flows with the owner's over them, one file a tab. A broken flow file makes `init`
 * reject, and with it Node-RED's start.
 */
export function createFlowStorage(deps: FlowStorageDeps): StorageModule {
  const shipped = new ShippedFlowFolder(deps.flowsFolder);
  const layered = layersOf(shipped, deps.ownerFolder);
  const files = new FlowFiles(layered ?? shipped, deps.installedTypes);
  const safe = safeFiles(shipped, layered, deps);
  const tellChangedByBoth = changedByBothTeller(layered, deps);
  return overStockStorage({
    async open() {
      if (layered !== null) {
        await tellOfLayers(layered, (line) => {
          deps.log.warn(line);
        });
      }
      await files.check();
    },
    async load() {
      const { nodes, leftOut } = await (safe() ?? files).load();
      tellLeftOut(leftOut, deps);
      await tellChangedByBoth();
      return nodes;
    },
    async save(flows) {
      const inSafeMode = safe();
      if (inSafeMode === null) {
        await files.save(flows);
        return await tellChangedByBoth();
      }
      const [shown, full] = [(await inSafeMode.load()).nodes, (await files.load()).nodes];
      await files.save(deployedOverSafe(asNodes('of this deploy', flows), shown, full));
      deps.onSafeDeploy?.();
    },
  });
}

/** @returns the flows of safe mode while it is on; null while it is off */
function safeFiles(
  shipped: FlowFolder,
  layered: LayeredFlowFolder | null,
  { isSafe, installedTypes }: FlowStorageDeps,
): () => FlowFiles | null {
  if (layered === null) return () => null;
  const files = new FlowFiles(new SafeFlowFolder(shipped, layered), installedTypes);
  return () => (isSafe?.() === true ? files : null);
}

function changedByBothTeller(
  layered: LayeredFlowFolder | null,
  { onChangedByBoth }: FlowStorageDeps,
): () => Promise<void> {
  return async () => {
    const changes = (await layered?.changes()) ?? [];
    const tabs = changes.filter(({ both }) => both.length > 0).map(({ name }) => tabOf(name));
    onChangedByBoth?.(tabs);
  };
}

function layersOf(shipped: FlowFolder, ownerFolder?: string): LayeredFlowFolder | null {
  if (ownerFolder === undefined) return null;
  mkdirSync(ownerFolder, { recursive: true, mode: 0o700 });
  return new LayeredFlowFolder(shipped, new DiskFlowFolder(ownerFolder));
}

function tellLeftOut(leftOut: readonly LeftOut[], { log, onLeftOut }: FlowStorageDeps): void {
  for (const one of leftOut) log.warn(lineOf(one));
  onLeftOut(leftOut);
}

function lineOf({ kind, label, fileName, missingTypes }: LeftOut): string {
  const types = missingTypes.join(', ');
  return `Left out the ${kind} "${label}" (${fileName}): these node types are not installed: ${types}.`;
}
