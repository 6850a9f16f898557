import { existsSync } from 'node:fs';
import {
  DiskFlowFolder,
  FlowFiles,
  type FlowFolder,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, tellOfLayers } from './flow-layers.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';

/** An owner's folder as it would be after changes that nobody makes. */
class ImaginedFolder implements FlowFolder {
  readonly #texts: Map<string, string>;

  private constructor(texts: Map<string, string>) {
    this.#texts = texts;
  }

  static async of(folder: FlowFolder): Promise<ImaginedFolder> {
    const names = await folder.list();
    const texts = names.map(async (name) => [name, await folder.read(name)] as const);
    return new ImaginedFolder(new Map(await Promise.all(texts)));
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.#texts.keys()]);
  }

  read(name: string): Promise<string> {
    return Promise.resolve(this.#texts.get(name) ?? '');
  }

  write(name: string, text: string): Promise<void> {
    this.#texts.set(name, text);
    return Promise.resolve();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.write(to, await this.read(from));
    await this.remove(from);
  }

  remove(name: string): Promise<void> {
    this.#texts.delete(name);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * Reads shipped flows with an owner's over them as a start would, and changes nothing.
 * @returns what the start would tell the owner of, a sentence each
 * @throws FlowFileError naming the first file that is broken
 */
export async function checkFlows(shipped: string, owner: string): Promise<readonly string[]> {
  const ships = new ShippedFlowFolder(shipped);
  if (!existsSync(owner)) {
    await new FlowFiles(ships, () => 'unknown').check();
    return [];
  }
  const layered = new LayeredFlowFolder(ships, await ImaginedFolder.of(new DiskFlowFolder(owner)));
  const told: string[] = [];
  await tellOfLayers(layered, (line) => told.push(line));
  await new FlowFiles(layered, () => 'unknown').check();
  return told;
}
