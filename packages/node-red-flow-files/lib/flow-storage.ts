import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { FlowFiles } from './flow-files.ts';
import { DiskFlowFolder } from './flow-folder.ts';
import type { FlowNode } from './flow-text.ts';

export { FlowFileError } from './flow-file-error.ts';
export { FlowFiles, type InstalledTypes } from './flow-files.ts';
export { DiskFlowFolder, type FlowFolder } from './flow-folder.ts';
export { asNodes, ORDER_FILE, SHARED_FILE } from './flow-set.ts';
export { type FlowNode, flowText, parseFlowText } from './flow-text.ts';
export type { LeftOut } from './left-out.ts';

/** What Node-RED asks of `settings.storageModule` (runtime/lib/storage, the same in 4.1.8 and 5.0.7). */
export interface StorageModule {
  init(settings: unknown, runtime: unknown): Promise<void>;
  getFlows(): Promise<FlowNode[]>;
  saveFlows(flows: unknown): Promise<void>;
  readonly [operation: string]: unknown;
}

/** Where flows are, instead of in the stock flow file. */
export interface FlowSource {
  /**
   * Called once, when Node-RED starts.
   * @param userDir Node-RED's user folder
   * @param stockFlows reads the flows of the stock flow file; none where there is no such file
   * @throws Error which ends the start; a fault in `load` would only be logged
   */
  open(userDir: string, stockFlows: () => Promise<readonly FlowNode[]>): Promise<void>;
  load(): Promise<FlowNode[]>;
  /** @param flows all nodes of a deploy, not checked yet */
  save(flows: unknown): Promise<void>;
}

/**
 * Node-RED's stock storage with the flows elsewhere. Credentials, sessions, settings and the library
 * stay in its user folder. Projects are left out: they work with the stock flow file alone.
 * @throws Error where Node-RED's own storage is not found
 */
export function overStockStorage(source: FlowSource): StorageModule {
  const stock = stockStorage();
  let readOnly = false;
  return {
    ...stock,
    projects: undefined,
    async init(given, runtime) {
      const settings = given as { readonly readOnly?: unknown; readonly userDir?: string };
      readOnly = settings.readOnly === true;
      // Puts `userDir` into the settings where they have none.
      await stock.init(settings, runtime);
      await source.open(settings.userDir ?? process.cwd(), () => stock.getFlows());
    },
    getFlows: () => source.load(),
    async saveFlows(flows) {
      if (!readOnly) await source.save(flows);
    },
  };
}

/**
 * For `storageModule` of a `settings.js`: one file a tab. At the first start, with no flow file in the
 * folder yet, it takes the flows of the stock flow file over, which stays as it is.
 * @param options `folder`: where, as seen from Node-RED's user folder; default `flows`
 */
export function flowFiles(options: { readonly folder?: string } = {}): StorageModule {
  let files: FlowFiles | null = null;
  const opened = (): FlowFiles => {
    if (files === null) throw new Error('The flows are asked for before Node-RED called init.');
    return files;
  };
  return overStockStorage({
    async open(userDir, stockFlows) {
      const path = resolve(userDir, options.folder ?? 'flows');
      await mkdir(path, { recursive: true });
      const folder = new DiskFlowFolder(path);
      // Which types a palette lacks is Node-RED's to tell, as with its own flow file.
      files = new FlowFiles(folder, () => 'unknown');
      await files.check();
      if ((await folder.list()).some((name) => name.endsWith('.json'))) return;
      const before = await stockFlows();
      if (before.length > 0) await files.save(before);
    },
    load: async () => (await opened().load()).nodes,
    save: (flows) => opened().save(flows),
  });
}

/**
 * Found from Node-RED's own place, because it is Node-RED's dependency and not ours: from here where
 * both lie in one folder, else from the program that runs, which is Node-RED's command or embeds it.
 */
function stockStorage(): StorageModule {
  for (const from of [import.meta.url, process.argv[1] ?? '']) {
    const nodeRed = nodeRedFrom(from);
    if (nodeRed !== null) {
      return nodeRed('@node-red/runtime/lib/storage/localfilesystem') as StorageModule;
    }
  }
  throw new Error('node-red-flow-files found no Node-RED: it is for the settings.js of one.');
}

function nodeRedFrom(place: string): NodeJS.Require | null {
  if (place === '') return null;
  const need = createRequire(place.startsWith('file:') ? place : resolve(place));
  for (const name of ['node-red', '@node-red/runtime']) {
    try {
      return createRequire(need.resolve(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return null;
}
