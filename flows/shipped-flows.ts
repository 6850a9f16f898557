import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import {
  asNodes,
  DiskFlowFolder,
  FlowFileError,
  type FlowNode,
  flowText,
  parseFlowText,
  SHARED_FILE,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';

/** An optional package that shipped flows use. */
interface OptionalPackage {
  readonly name: string;
  /** The node types it brings. */
  readonly types: readonly string[];
  /** The module that must load for it, resolved from the package. */
  readonly needs: string;
}

const OPTIONAL: readonly OptionalPackage[] = [
  { name: 'node-red-node-sqlite', types: ['sqlite', 'sqlitedb'], needs: 'sqlite3' },
];
/** Folder with, by package, the tabs shipped in another form for when it is missing. */
const WITHOUT = 'without';
/** The only place for the pages' Vue parts. */
const PART = /^parts\/[a-z0-9-]+\.(?:vue|css)$/;

/**
 * The shipped flows as this machine can run them: if an optional package does not load, tabs that use
 * it are replaced by their variants without it, and its config nodes are left out. The pages' Vue parts
 * are put into their nodes, so files read here are as Node-RED has them, and an owner's change of a
 * part is a change of its node.
 */
export class ShippedFlowFolder extends DiskFlowFolder {
  readonly #folder: string;
  readonly #missing: readonly OptionalPackage[];

  /** @param loads whether a package loads on this machine */
  constructor(folder: string, loads: (name: string) => boolean = loadsHere) {
    super(folder);
    this.#folder = folder;
    this.#missing = OPTIONAL.filter(({ name }) => !loads(name));
  }

  /** @throws FlowFileError if a part is missing or outside of its folder */
  override async read(name: string): Promise<string> {
    const instead = this.#missing
      .map((one) => join(this.#folder, WITHOUT, one.name))
      .find((folder) => existsSync(join(folder, name)));
    if (instead !== undefined) return await new DiskFlowFolder(instead).read(name);
    const text = await super.read(name);
    return name === SHARED_FILE ? this.#withoutMissing(text) : await this.#withParts(name, text);
  }

  async #withParts(name: string, text: string): Promise<string> {
    if (!text.includes('"$file"')) return text;
    const nodes = asNodes(name, parseFlowText(text));
    return flowText(await Promise.all(nodes.map((node) => this.#withPart(name, node))));
  }

  async #withPart(name: string, node: FlowNode): Promise<FlowNode> {
    const file = partOf(node);
    if (file === null) return node;
    if (!PART.test(file)) {
      throw new FlowFileError(name, `the node "${node.id}" names a part that is none: ${file}.`);
    }
    return { ...node, format: (await super.read(file)).replace(/\n$/, '') };
  }

  #withoutMissing(text: string): string {
    const types = new Set(this.#missing.flatMap((one) => one.types));
    const nodes = asNodes(SHARED_FILE, parseFlowText(text));
    const kept = nodes.filter(({ type }) => !types.has(type));
    return kept.length === nodes.length ? text : flowText(kept);
  }
}

/** @returns the file of a node's template; null if the node holds it itself */
export function partOf({ format }: FlowNode): string | null {
  const { $file } = (format ?? {}) as { readonly $file?: unknown };
  return typeof $file === 'string' ? $file : null;
}

/** Loads it for real: a compiled part may exist but not fit this machine. */
function loadsHere(name: string): boolean {
  const needs = OPTIONAL.find((one) => one.name === name)?.needs ?? name;
  try {
    const fromUs = createRequire(import.meta.url);
    createRequire(fromUs.resolve(`${name}/package.json`))(needs);
    return true;
  } catch {
    return false;
  }
}
