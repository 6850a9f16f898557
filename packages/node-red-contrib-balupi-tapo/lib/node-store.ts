import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../../nodes/lib/log/log.ts';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/schema/energy-schema.ts';
import { Store } from '../../../nodes/lib/store/store.ts';

/** Where Node-RED keeps what is its own: its user folder, else where it runs. */
interface Settings {
  readonly userDir?: string | undefined;
}

/**
 * Opens the database of one config node, in a folder of Node-RED's user folder.
 * @param nodeId names the file; ids of imported flows may hold anything
 * @throws Error when the file cannot be opened, or another version wrote it
 */
export function openNodeStore(settings: Settings, nodeId: string, name: string): Store {
  const folder = join(settings.userDir ?? process.cwd(), 'balupi');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${name}-${nodeId.replace(/[^\w-]/g, '_').slice(0, 64)}.db`);
  return Store.open({
    file,
    name,
    synchronous: 'NORMAL',
    migrations: ENERGY_MIGRATIONS,
  });
}

/** An error as a Catch node gets it: `msg.error.code` is for flows, the sentence for people. */
export class CodedError extends Error {
  readonly code: string;

  constructor(code: string, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

/** The part of a node that logs. */
interface Speaking {
  debug(line: string): void;
  log(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Writes a module's messages to the log of the Node-RED it runs in. */
export function logOf(node: Speaking): Log {
  return {
    debug: (line) => {
      node.debug(line);
    },
    info: (line) => {
      node.log(line);
    },
    warn: (line) => {
      node.warn(line);
    },
    error: (line) => {
      node.error(line);
    },
  };
}
