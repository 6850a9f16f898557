import { applyChanges, recover } from './flow-deploy.ts';
import type { FlowFolder } from './flow-folder.ts';
import {
  asNodes,
  checkIds,
  type FlowFile,
  ORDER_FILE,
  readFlowFile,
  readOrderFile,
} from './flow-set.ts';
import { splitFlows } from './flow-split.ts';
import type { FlowNode } from './flow-text.ts';
import { type LeftOut, sift, type Sifted } from './left-out.ts';

/** The set of node types that can run, or that nobody knows them yet. */
export type InstalledTypes = () => ReadonlySet<string> | 'unknown';

interface Snapshot {
  readonly files: readonly FlowFile[];
  readonly order: readonly string[];
  /** Text by name of all that is on disk, the order too. */
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Flows as one file a tab: joins them for Node-RED and splits a deploy back. What a deploy does not
 * change stays byte for byte; a file name sticks to the id of its tab, so renaming a tab moves no
 * file. Loads and saves wait for each other.
 */
export class FlowFiles {
  readonly #folder: FlowFolder;
  readonly #installedTypes: InstalledTypes;
  /** What the last load left out; null before the first. */
  #sifted: Sifted | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: FlowFolder, installedTypes: InstalledTypes) {
    this.#folder = folder;
    this.#installedTypes = installedTypes;
  }

  /**
   * Reads all files without using them.
   * @throws FlowFileError naming the first file that is broken
   */
  async check(): Promise<void> {
    await this.#inTurn(() => this.#read());
  }

  /**
   * @returns every node that can run, tabs first and in their order, and what was left out
   * @throws FlowFileError naming the first file that is broken
   */
  async load(): Promise<{ readonly nodes: FlowNode[]; readonly leftOut: readonly LeftOut[] }> {
    return this.#inTurn(async () => {
      const { files, order } = await this.#read();
      this.#sifted = sift(files, this.#installedTypes());
      return { nodes: join(this.#sifted.files, order), leftOut: this.#sifted.leftOut };
    });
  }

  /**
   * Writes what changed, as one. A tab that was left out keeps its file as it is.
   * @param given all nodes of a deploy
   * @throws FlowFileError when a node has no id, an id is there twice, or a file on disk is broken
   */
  async save(given: unknown): Promise<void> {
    const nodes = asNodes('of this deploy', given);
    await this.#inTurn(() => this.#save(nodes));
  }

  async #save(nodes: readonly FlowNode[]): Promise<void> {
    const { files, order, texts } = await this.#read();
    const { keptFiles, keptNodes } = this.#stillKept(nodes, files);
    const next = splitFlows(nodes, files, keptFiles, keptNodes, order);
    checkIds(
      [...next]
        .filter(([name]) => name !== ORDER_FILE)
        .map(([name, text]) => readFlowFile(name, text)),
    );
    await applyChanges(this.#folder, {
      written: new Map([...next].filter(([name, text]) => texts.get(name) !== text)),
      removed: [...texts.keys()].filter((name) => !next.has(name)),
    });
  }

  /** A deploy that brings the id of what was left out takes it over. */
  #stillKept(nodes: readonly FlowNode[], files: readonly FlowFile[]) {
    const { keptFiles, keptNodes } = this.#sifted ?? this.#siftNow(files);
    const brought = new Set(nodes.map(({ id }) => id));
    const nodeIds = new Set(keptNodes.map(({ id }) => id));
    const ids = new Set(keptFiles.map(({ container }) => container?.id ?? ''));
    return {
      keptFiles: files.filter(({ container }) => {
        const id = container?.id ?? '';
        return ids.has(id) && !brought.has(id);
      }),
      keptNodes: files
        .flatMap(({ container, nodes: inFile }) => (container === null ? inFile : []))
        .filter(({ id }) => nodeIds.has(id) && !brought.has(id)),
    };
  }

  #siftNow(files: readonly FlowFile[]): Sifted {
    this.#sifted = sift(files, this.#installedTypes());
    return this.#sifted;
  }

  async #read(): Promise<Snapshot> {
    await recover(this.#folder);
    const texts = new Map<string, string>();
    for (const name of [...(await this.#folder.list())].sort()) {
      if (name.endsWith('.json') && !name.startsWith('.')) {
        texts.set(name, await this.#folder.read(name));
      }
    }
    const order = texts.get(ORDER_FILE);
    const files = [...texts]
      .filter(([name]) => name !== ORDER_FILE)
      .map(([name, text]) => readFlowFile(name, text));
    checkIds(files);
    return { files, order: order === undefined ? [] : readOrderFile(order), texts };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn;
    return turn;
  }
}

/** Tabs in their order, then those nobody ordered, subflows, and the nodes. */
function join(files: readonly FlowFile[], order: readonly string[]): FlowNode[] {
  const place = ({ container }: FlowFile): number => {
    if (container === null) return 3_000_000;
    if (container.type === 'subflow') return 2_000_000;
    const index = order.indexOf(container.id);
    return index === -1 ? 1_000_000 : index;
  };
  const sorted = [...files].sort((a, b) => place(a) - place(b));
  const heads = sorted.flatMap(({ container }) => container ?? []);
  const bodies = sorted.flatMap(({ nodes, container }) =>
    nodes.filter((node) => node !== container),
  );
  return [...heads, ...bodies];
}
