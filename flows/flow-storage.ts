import { createRequire } from 'node:module';
import type { Log } from '../nodes/lib/log/log.ts';
import { FlowFiles, type InstalledTypes } from './flow-files.ts';
import { DiskFlowFolder } from './flow-folder.ts';
import type { FlowNode } from './flow-text.ts';
import type { LeftOut } from './left-out.ts';

export { FlowFileError } from './flow-file-error.ts';
export type { InstalledTypes } from './flow-files.ts';
export type { LeftOut } from './left-out.ts';

/** What Node-RED asks of `settings.storageModule` (runtime/lib/storage, 5.0.7). */
export interface StorageModule {
  init(settings: unknown, runtime: unknown): Promise<void>;
  getFlows(): Promise<FlowNode[]>;
  saveFlows(flows: unknown): Promise<void>;
  readonly [operation: string]: unknown;
}

export interface FlowStorageOptions {
  readonly flowsFolder: string;
  readonly installedTypes: InstalledTypes;
  readonly log: Log;
  /** Called after each load with all that was left out, none too. */
  readonly onLeftOut: (leftOut: readonly LeftOut[]) => void;
}

/**
 * Node-RED's stock storage with the flows in one file a tab. Credentials, sessions, settings and
 * the library stay in its user folder. A broken flow file makes `init` reject, and with it
 * Node-RED's start; a fault in `getFlows` would only be logged. Projects are left out: they work
 * with the stock flow file alone.
 */
export function createFlowStorage(options: FlowStorageOptions): StorageModule {
  const stock = stockStorage();
  const files = new FlowFiles(new DiskFlowFolder(options.flowsFolder), options.installedTypes);
  let readOnly = false;
  return {
    ...stock,
    projects: undefined,
    async init(settings, runtime) {
      await files.check();
      readOnly = (settings as { readonly readOnly?: unknown }).readOnly === true;
      await stock.init(settings, runtime);
    },
    async getFlows() {
      const { nodes, leftOut } = await files.load();
      for (const one of leftOut) options.log.warn(lineOf(one));
      options.onLeftOut(leftOut);
      return nodes;
    },
    async saveFlows(flows) {
      if (!readOnly) await files.save(flows);
    },
  };
}

function lineOf({ kind, label, fileName, missingTypes }: LeftOut): string {
  const types = missingTypes.join(', ');
  return `Left out the ${kind} "${label}" (${fileName}): these node types are not installed: ${types}.`;
}

/** Found from Node-RED's own place, because it is Node-RED's dependency and not ours. */
function stockStorage(): StorageModule {
  const fromUs = createRequire(import.meta.url);
  const fromNodeRed = createRequire(fromUs.resolve('node-red'));
  return fromNodeRed('@node-red/runtime/lib/storage/localfilesystem') as StorageModule;
}
