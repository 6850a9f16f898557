import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import {
  asNodes,
  checkIds,
  type FlowFile,
  FlowFileError,
  type FlowNode,
  flowText,
  isContainer,
  type LeftOut,
  ORDER_FILE,
  readFlowFile,
  readOrderFile,
  SHARED_FILE,
  sift,
  type Sifted,
} from './flow-set.ts';

export { FlowFileError } from './flow-set.ts';

export { asNodes, ORDER_FILE, SHARED_FILE } from './flow-set.ts';
export { type FlowNode, flowText, parseFlowText } from './flow-set.ts';
export type { LeftOut } from './flow-set.ts';

/**
 * What Node-RED expects of `settings.storageModule` (runtime/lib/storage, the same in 4.1.8 and
 * 5.0.7).
 */
export interface StorageModule {
  init(settings: unknown, runtime: unknown): Promise<void>;
  getFlows(): Promise<FlowNode[]>;
  saveFlows(flows: unknown): Promise<void>;
  readonly [operation: string]: unknown;
}

/** The flows' storage, in place of the stock flow file. */
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
 * For `storageModule` of a `settings.js`: one file per tab. The first start without flow files
 * imports the stock flow file, which stays as it is.
 * @param options `folder`: where, relative to Node-RED's user folder; default `flows`
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
      // Node-RED itself reports missing types, as with its own flow file.
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

/** The set of node types that can run, or that it is not known yet. */
export type InstalledTypes = () => ReadonlySet<string> | 'unknown';

interface Snapshot {
  readonly files: readonly FlowFile[];
  readonly order: readonly string[];
  /** All texts on disk by name, including the order. */
  readonly texts: ReadonlyMap<string, string>;
}

interface KeptIds {
  /** Of the tab or subflow of a file that was left out whole. */
  readonly containers: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
}

function idsOf({ keptFiles, keptNodes }: Sifted): KeptIds {
  return {
    containers: new Set(keptFiles.map(({ container }) => container?.id ?? '')),
    nodes: new Set(keptNodes.map(({ id }) => id)),
  };
}

/**
 * Flows as one file per tab: joined for Node-RED, and split again at a deploy. Unchanged flows stay
 * byte for byte; a file name belongs to its tab's id, so renaming a tab moves no file. Loads and
 * saves are serialised.
 */
export class FlowFiles {
  readonly #folder: FlowFolder;
  readonly #installedTypes: InstalledTypes;
  /** Ids of what the last load left out; null before the first. */
  #keptIds: KeptIds | null = null;
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
      const sifted = sift(files, this.#installedTypes());
      this.#keptIds = idsOf(sifted);
      return { nodes: joined(sifted.files, order), leftOut: sifted.leftOut };
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

  /** A deploy containing the id of an omitted node replaces it. */
  #stillKept(nodes: readonly FlowNode[], files: readonly FlowFile[]) {
    this.#keptIds ??= idsOf(sift(files, this.#installedTypes()));
    const { containers, nodes: nodeIds } = this.#keptIds;
    const brought = new Set(nodes.map(({ id }) => id));
    return {
      keptFiles: files.filter(({ container }) => {
        const id = container?.id ?? '';
        return containers.has(id) && !brought.has(id);
      }),
      keptNodes: files
        .flatMap(({ container, nodes: inFile }) => (container === null ? inFile : []))
        .filter(({ id }) => nodeIds.has(id) && !brought.has(id)),
    };
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
function joined(files: readonly FlowFile[], order: readonly string[]): FlowNode[] {
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

/** What one deploy changes on disk. */
interface FlowChanges {
  readonly written: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

/** A leading dot keeps Node-RED, git and us from taking them for flows. */
const JOURNAL = '.deploy.json';
const NEXT = '.next';

function nextOf(name: string): string {
  return `.${name}${NEXT}`;
}

/**
 * Writes a deploy to disk, entirely or not at all. A node that moves between tabs is in two files;
 * if only one were replaced, its id would exist twice and stop the next start. So every new text is
 * first written next to its file and fsynced; then a journal names them all, which commits the
 * deploy; then they are renamed, removed tabs last, and the journal is deleted. {@link recover}
 * finishes what a power cut left after the journal and discards what it left before.
 */
async function applyChanges(folder: FlowFolder, changes: FlowChanges): Promise<void> {
  const { written, removed } = changes;
  if (written.size === 0 && removed.length === 0) return;
  for (const [name, text] of written) await folder.write(nextOf(name), text);
  await folder.write(nextOf(JOURNAL), JSON.stringify({ written: [...written.keys()], removed }));
  await folder.sync();
  await folder.rename(nextOf(JOURNAL), JOURNAL);
  await folder.sync();
  await finish(folder, { written: [...written.keys()], removed });
}

/**
 * Brings the folder to the last committed deploy.
 * @throws FlowFileError when the journal is not ours
 */
async function recover(folder: FlowFolder): Promise<void> {
  const names = await folder.list();
  if (names.includes(JOURNAL)) {
    await finish(folder, readJournal(await folder.read(JOURNAL)));
    return;
  }
  for (const name of names) {
    if (name.startsWith('.') && name.endsWith(NEXT)) await folder.remove(name);
  }
}

interface Journal {
  readonly written: readonly string[];
  readonly removed: readonly string[];
}

async function finish(folder: FlowFolder, { written, removed }: Journal): Promise<void> {
  const present = new Set(await folder.list());
  for (const name of written) {
    if (present.has(nextOf(name))) await folder.rename(nextOf(name), name);
  }
  await folder.sync();
  for (const name of removed) {
    if (present.has(name)) await folder.remove(name);
  }
  await folder.remove(JOURNAL);
  await folder.sync();
}

function readJournal(text: string): Journal {
  const journal = parse(text);
  if (typeof journal === 'object' && journal !== null) {
    const { written, removed } = journal as Record<string, unknown>;
    if (areNames(written) && areNames(removed)) return { written, removed };
  }
  throw new FlowFileError(JOURNAL, 'is not a journal of a deploy. Remove it to go on.');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FlowFileError(JOURNAL, 'is not a journal of a deploy. Remove it to go on.', {
      cause,
    });
  }
}

function areNames(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.every((name) => typeof name === 'string' && /^[^./\\\0][^/\\\0]*\.json$/.test(name))
  );
}

/** Long enough to tell tabs apart, short enough for every file system. */
const SLUG_CHARS = 60;

/**
 * Lays nodes out in files.
 * @param nodes all of a deploy
 * @param current the files on disk, whose names stick to the ids of their tabs
 * @param kept files a deploy must not touch, because the editor never saw what is in them
 * @param keptNodes global nodes the editor never saw
 * @param order ids of tabs as `_order.json` had them
 * @returns the text of each file by its name
 */
function splitFlows(
  nodes: readonly FlowNode[],
  current: readonly FlowFile[],
  kept: readonly FlowFile[],
  keptNodes: readonly FlowNode[],
  order: readonly string[],
): ReadonlyMap<string, string> {
  const containers = nodes.filter(isContainer);
  const names = fileNames(containers, current, kept);
  const groups = new Map<string, FlowNode[]>([[SHARED_FILE, [...keptNodes]]]);
  for (const node of nodes) {
    const name = names.get(isContainer(node) ? node.id : (node.z ?? '')) ?? SHARED_FILE;
    groups.set(name, [...(groups.get(name) ?? []), withoutSecrets(node)]);
  }
  const filled = [...groups].filter(([, group]) => group.length > 0);
  const texts = new Map(filled.map(([name, group]) => [name, flowText(group)]));
  for (const { name, text } of kept) texts.set(name, text);
  texts.set(ORDER_FILE, orderText(containers, kept, order));
  return texts;
}

/** Secrets are in Node-RED's own encrypted file; none of them may reach git. */
function withoutSecrets(node: FlowNode): FlowNode {
  const { env } = node;
  return {
    ...without(node, 'credentials'),
    ...(Array.isArray(env) ? { env: env.map(withoutSecretValue) } : {}),
    id: node.id,
    type: node.type,
  };
}

function withoutSecretValue(variable: unknown): unknown {
  if (typeof variable !== 'object' || variable === null) return variable;
  return (variable as { readonly type?: unknown }).type === 'cred'
    ? without(variable, 'value')
    : variable;
}

function without(fields: object, dropped: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== dropped));
}

function fileNames(
  containers: readonly FlowNode[],
  current: readonly FlowFile[],
  kept: readonly FlowFile[],
): ReadonlyMap<string, string> {
  const nameOf = new Map<string, string>();
  for (const { container, name } of current) {
    if (container !== null) nameOf.set(container.id, name);
  }
  const wanted = new Set(containers.map(({ id }) => id));
  const names = new Map([...nameOf].filter(([id]) => wanted.has(id)));
  const taken = new Set([...names.values(), ...kept.map(({ name }) => name)].map(lower));
  taken.add(SHARED_FILE).add(ORDER_FILE);
  for (const container of containers) {
    if (names.has(container.id)) continue;
    const name = freeName(slugOf(container), taken);
    names.set(container.id, name);
    taken.add(name);
  }
  return names;
}

function lower(name: string): string {
  return name.toLowerCase();
}

function freeName(slug: string, taken: ReadonlySet<string>): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? `${slug}.json` : `${slug}-${count}.json`;
    if (!taken.has(name)) return name;
  }
}

function slugOf(container: FlowNode): string {
  const isSubflow = container.type === 'subflow';
  const label = container[isSubflow ? 'name' : 'label'];
  const slug = (typeof label === 'string' ? label : '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_CHARS)
    .replace(/^-|-$/g, '');
  return isSubflow ? `subflow-${slug === '' ? 'unnamed' : slug}` : slug === '' ? 'tab' : slug;
}

/** Tabs in the editor's order; one the editor never saw stays after its predecessor. */
function orderText(
  containers: readonly FlowNode[],
  kept: readonly FlowFile[],
  before: readonly string[],
): string {
  const order = containers.filter(({ type }) => type === 'tab').map(({ id }) => id);
  const keptIds = kept.flatMap(({ container }) => (container?.type === 'tab' ? container.id : []));
  const inOrder = [
    ...before.filter((id) => keptIds.includes(id)),
    ...keptIds.filter((id) => !before.includes(id)),
  ];
  for (const id of inOrder) {
    const ahead = before.slice(0, Math.max(0, before.indexOf(id))).reverse();
    const neighbour = ahead.find((other) => order.includes(other));
    const place = before.includes(id)
      ? neighbour === undefined
        ? 0
        : order.indexOf(neighbour) + 1
      : order.length;
    order.splice(place, 0, id);
  }
  return `${JSON.stringify(order, null, 2)}\n`;
}

/** The disk as the flow files need it. Names are plain file names of one folder. */
export interface FlowFolder {
  list(): Promise<readonly string[]>;
  /** UTF-8 text. */
  read(name: string): Promise<string>;
  /** Writes and fsyncs. */
  write(name: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes renames and removals so far survive a power cut. */
  sync(): Promise<void>;
}

/** @throws FlowFileError with the name and the system's code, since its message holds the path */
export class DiskFlowFolder implements FlowFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<readonly string[]> {
    return told('(all)', 'be listed', readdir(this.#folder));
  }

  async read(name: string): Promise<string> {
    return told(name, 'be read', readFile(join(this.#folder, name), 'utf8'));
  }

  async write(name: string, text: string): Promise<void> {
    await told(name, 'be written', writeDurably(join(this.#folder, name), text));
  }

  async rename(from: string, to: string): Promise<void> {
    await told(to, 'be replaced', rename(join(this.#folder, from), join(this.#folder, to)));
  }

  async remove(name: string): Promise<void> {
    await told(name, 'be removed', unlink(join(this.#folder, name)));
  }

  async sync(): Promise<void> {
    await told('(all)', 'be synced', syncFolder(this.#folder));
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function told<T>(name: string, act: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new FlowFileError(name, `cannot ${act} (${code}).`, { cause });
  }
}
