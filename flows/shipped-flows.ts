import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DiskFlowFolder } from './flow-folder.ts';
import { asNodes, SHARED_FILE } from './flow-set.ts';
import { flowText, parseFlowText } from './flow-text.ts';

/** An optional package that shipped flows use. */
interface OptionalPackage {
  readonly name: string;
  /** The node types it brings. */
  readonly types: readonly string[];
  /** What has to load for it, found from its own place. */
  readonly needs: string;
}

const OPTIONAL: readonly OptionalPackage[] = [
  { name: 'node-red-node-sqlite', types: ['sqlite', 'sqlitedb'], needs: 'sqlite3' },
];
/** Holds, by the name of a package, the tabs that are shipped in another form where it is missing. */
const WITHOUT = 'without';

/**
 * The shipped flows as this machine can run them: where an optional package does not load, a tab that
 * would use it is the one of the same name that does without, and its config nodes are not there.
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

  override async read(name: string): Promise<string> {
    const instead = this.#missing
      .map((one) => join(this.#folder, WITHOUT, one.name))
      .find((folder) => existsSync(join(folder, name)));
    if (instead !== undefined) return await new DiskFlowFolder(instead).read(name);
    const text = await super.read(name);
    return name === SHARED_FILE ? this.#withoutMissing(text) : text;
  }

  #withoutMissing(text: string): string {
    const types = new Set(this.#missing.flatMap((one) => one.types));
    const nodes = asNodes(SHARED_FILE, parseFlowText(text));
    const kept = nodes.filter(({ type }) => !types.has(type));
    return kept.length === nodes.length ? text : flowText(kept);
  }
}

/** Node-RED would load it all the same; a compiled part may be there and not fit this machine. */
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
