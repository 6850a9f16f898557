import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../nodes/lib/log/log.ts';
import { nodeRedLogHandler } from './console-log.ts';
import type { EditorAuth } from './editor.ts';
import type { NodeRedSettings } from './node-red-host.ts';

const FUNCTION_TIMEOUT_SECONDS = 5;

/**
 * Ours for the Node-RED of others. In a working tree npm links them where Node-RED looks for nodes; a
 * release has them not, and BaluPi's own nodes do the same by the same code.
 */
export const NOT_FOR_BALUPI = [
  'node-red-flow-files',
  'node-red-contrib-balupi-wol',
  'node-red-contrib-balupi-tapo',
] as const;

interface Parts {
  /** The folder with package.json, from where nodes, locales and examples are found. */
  readonly packageFolder: string;
  /** Node-RED's own small files: sessions, encrypted credentials of a tinkerer's own nodes. */
  readonly userFolder: string;
  readonly storage: unknown;
  readonly logLevel: string;
  readonly log: Log;
  /** BALUPI_PALETTE: whether the editor may install nodes of others. */
  readonly palette: boolean;
  /** Null keeps the editor shut. */
  readonly editor: EditorAuth | null;
  readonly services: unknown;
  /** In front of each `http in` node. */
  readonly inRoute: unknown;
  /** What the owner deployed over the shipped flows, for the editor. */
  readonly ownersFlows: unknown;
  /** As `@flowfuse/node-red-dashboard` takes it. */
  readonly dashboard: NodeRedSettings;
}

/**
 * Node-RED's settings. Nothing is installed, fetched or reported from inside it: no palette
 * installs unless the owner set that, no modules of function nodes, no telemetry, no update check
 * (contract 7).
 */
export function nodeRedSettings(parts: Parts): NodeRedSettings {
  return {
    userDir: parts.userFolder,
    // Not the build folder: Node-RED loads locales and help for a package only (measured on 5.0.7).
    nodesDir: [parts.packageFolder],
    nodesExcludes: NOT_FOR_BALUPI,
    storageModule: parts.storage,
    // Names the file of the credentials too, which would else carry the name of the machine and be
    // lost with it.
    flowFile: 'flows.json',
    credentialSecret: credentialKey(parts.userFolder),
    httpNodeRoot: '/',
    httpNodeMiddleware: parts.inRoute,
    httpAdminRoot: parts.editor === null ? false : '/',
    ...(parts.editor === null ? { disableEditor: true } : { adminAuth: parts.editor.auth }),
    externalModules: {
      autoInstall: false,
      palette: installing(parts),
      modules: { allowInstall: false },
    },
    functionExternalModules: false,
    functionGlobalContext: {},
    exportGlobalContextKeys: false,
    // A function that does not come to its end, in s: what holds the loop holds everybody up.
    globalFunctionTimeout: FUNCTION_TIMEOUT_SECONDS,
    contextStorage: contextStores(parts.userFolder),
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: false, ui: false },
    runtimeState: { enabled: false, ui: false },
    editorTheme: {
      page: { title: 'BaluPi' },
      header: { title: 'BaluPi' },
      tours: false,
      projects: { enabled: false },
      ...(parts.palette ? {} : { palette: { catalogues: [] } }),
      codeEditor: { lib: 'monaco' },
    },
    logging: { balupi: logging(parts) },
    dashboard: parts.dashboard,
    // What the config nodes `balupi-store` and `balupi-nas` hand to the nodes.
    balupi: parts.services,
    balupiFlows: parts.ownersFlows,
  };
}

function installing({ palette }: Parts): NodeRedSettings {
  return { allowInstall: palette, allowUpdate: palette, allowUpload: false };
}

/** What a flow remembers is gone with the process, unless it asks for the disk by name. */
function contextStores(dir: string): NodeRedSettings {
  return {
    default: { module: 'memory' },
    disk: { module: 'localfilesystem', config: { dir, flushInterval: 60 } },
  };
}

/** Instead of Node-RED's own console, which prints what a caller sent as it came. */
function logging({ log, logLevel }: Parts): NodeRedSettings {
  return { level: logLevel, metrics: false, audit: false, handler: nodeRedLogHandler(log) };
}

/** Where Node-RED keeps what is its own, inside the data folder. */
export function nodeRedFolder(dataFolder: string): string {
  return join(dataFolder, 'node-red');
}

const KEY_BYTES = 32;

/**
 * The key Node-RED encrypts the credentials of a tinkerer's own nodes with. It is a file of its own
 * and not SECRET_KEY: with another key Node-RED starts no flow at all, and SECRET_KEY may change.
 * @param userFolder Node-RED's folder inside the data folder
 */
function credentialKey(userFolder: string): string {
  const file = join(userFolder, 'credential.key');
  try {
    writeFileSync(file, randomBytes(KEY_BYTES).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
