import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../nodes/lib/log/log.ts';
import { nodeRedLogHandler } from './console-log.ts';
import type { EditorAuth } from './editor.ts';
import type { NodeRedSettings } from './node-red-host.ts';

const FUNCTION_TIMEOUT_SECONDS = 5;

/**
 * Our packages for other Node-REDs. In a working tree npm links them where Node-RED looks for nodes;
 * BaluPi's own nodes do the same with the same code.
 */
export const NOT_FOR_BALUPI = [
  'node-red-flow-files',
  'node-red-contrib-balupi-wol',
  'node-red-contrib-balupi-tapo',
] as const;

interface NodeRedDeps {
  /** The folder of package.json, where nodes, locales and examples are found. */
  readonly packageFolder: string;
  /** Node-RED's own small files: sessions, encrypted credentials of a tinkerer's own nodes. */
  readonly userFolder: string;
  readonly storage: unknown;
  readonly logLevel: string;
  readonly log: Log;
  /** BALUPI_PALETTE: whether the editor may install third-party nodes. */
  readonly palette: boolean;
  /** Null keeps the editor shut. */
  readonly editor: EditorAuth | null;
  readonly services: unknown;
  /** Middleware in front of each `http in` node. */
  readonly inRoute: unknown;
  /** What the owner deployed over the shipped flows, for the editor. */
  readonly ownersFlows: unknown;
  /** As `@flowfuse/node-red-dashboard` takes it. */
  readonly dashboard: NodeRedSettings;
}

/**
 * Node-RED's settings. It installs, fetches and reports nothing: no palette unless the owner set that,
 * no modules of function nodes, no telemetry, no update check (contract 7).
 */
export function nodeRedSettings(deps: NodeRedDeps): NodeRedSettings {
  return {
    userDir: deps.userFolder,
    // Not the build folder: Node-RED loads locales and help for a package only (measured on 5.0.7).
    nodesDir: [deps.packageFolder],
    nodesExcludes: NOT_FOR_BALUPI,
    storageModule: deps.storage,
    // Also decides the name of the credentials file, which would otherwise contain the host name.
    flowFile: 'flows.json',
    credentialSecret: credentialKey(deps.userFolder),
    httpNodeRoot: '/',
    httpNodeMiddleware: deps.inRoute,
    httpAdminRoot: deps.editor === null ? false : '/',
    ...(deps.editor === null ? { disableEditor: true } : { adminAuth: deps.editor.auth }),
    externalModules: {
      autoInstall: false,
      palette: installing(deps),
      modules: { allowInstall: false },
    },
    functionExternalModules: false,
    functionGlobalContext: {},
    exportGlobalContextKeys: false,
    // Seconds after which a function node is stopped: while it blocks the loop, everybody waits.
    globalFunctionTimeout: FUNCTION_TIMEOUT_SECONDS,
    contextStorage: contextStores(deps.userFolder),
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: false, ui: false },
    runtimeState: { enabled: false, ui: false },
    editorTheme: {
      page: { title: 'BaluPi' },
      header: { title: 'BaluPi' },
      tours: false,
      projects: { enabled: false },
      ...(deps.palette ? {} : { palette: { catalogues: [] } }),
      codeEditor: { lib: 'monaco' },
    },
    logging: { balupi: logging(deps) },
    dashboard: deps.dashboard,
    // The config nodes `balupi-store` and `balupi-nas` hand these to the nodes.
    balupi: deps.services,
    balupiFlows: deps.ownersFlows,
  };
}

function installing({ palette }: NodeRedDeps): NodeRedSettings {
  return { allowInstall: palette, allowUpdate: palette, allowUpload: false };
}

/** Context is in memory, unless a flow names the store on disk. */
function contextStores(dir: string): NodeRedSettings {
  return {
    default: { module: 'memory' },
    disk: { module: 'localfilesystem', config: { dir, flushInterval: 60 } },
  };
}

/** Replaces Node-RED's console log, which prints callers' text unescaped. */
function logging({ log, logLevel }: NodeRedDeps): NodeRedSettings {
  return { level: logLevel, metrics: false, audit: false, handler: nodeRedLogHandler(log) };
}

/** Node-RED's folder inside the data folder. */
export function nodeRedFolder(dataFolder: string): string {
  return join(dataFolder, 'node-red');
}

const KEY_BYTES = 32;

/**
 * The key for the credentials of a tinkerer's nodes. Not SECRET_KEY, which may change: with another
 * key Node-RED starts no flow at all.
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
