import express from 'express';
import type { Express } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { unansweredRoutes } from '../flows/wired-routes.ts';
import { ENDPOINTS, Matcher } from '../nodes/lib/api/api.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Setup } from '../nodes/lib/setup/setup.ts';
import type { Clock } from '../nodes/lib/time/clock.ts';
import type { Viewers } from '../nodes/lib/viewers/viewers.ts';
import type { FlowNode } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { ApiGuard, type AuthHooks, Passing } from './api-guard.ts';
import { Cors, HostCheck, lastResort, nobodyAnswered, setCommonHeaders } from './common-headers.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { DashboardAuth } from './dashboard-auth.ts';
import { DashboardFiles } from './dashboard-files.ts';
import { DashboardSignIn, type PageAccounts } from './dashboard-sign-in.ts';
import { DashboardSockets, type SocketAccounts } from './dashboard-sockets.ts';
import { Docs } from './docs.ts';
import { editorApp, EditorAuth, type EditorSignIn } from './editor.ts';
import { FilesPage, type ThumbnailHook } from './files-page.ts';
import { FrontPage, type FrontPageDeps, type WebHooks } from './front-page.ts';
import { Listeners } from './listeners.ts';
import { LiveAuth, type LiveHooks } from './live-auth.ts';
import { NodeRedHost } from './node-red-host.ts';
import { nodeRedFolder, nodeRedSettings } from './node-red-settings.ts';
import { makeNodeRedFolder } from './palette.ts';
import { Accel, RemoteAddresses, shareOf } from './remote-address.ts';
import { RequestWatch } from './request-watch.ts';
import { SetupAuth } from './setup/setup-auth.ts';
import type { Sections } from './setup/setup-sections.ts';
import type { UpdateTrial } from './update-trial.ts';

interface HostSettings {
  readonly host: string;
  readonly ports: readonly number[];
  readonly corsOrigins: readonly string[];
  /** IANA name; the pages show times in it. */
  readonly timeZone: string;
  readonly trustedProxies: readonly string[];
  /** `nginx`: a trusted nginx may send files itself. */
  readonly accel: 'off' | 'nginx';
  readonly logLevel: string;
  /** How long an answer may take; a held reader needs more than the hold. */
  readonly answerWithinMs: number;
  readonly packageFolder: string;
  readonly dataFolder: string;
  /** For a browser that opens the bare address. */
  readonly front: Omit<FrontPageDeps, 'hooks' | 'ownerOf' | 'watch'>;
  readonly palette: boolean;
  /** Null keeps the editor shut. */
  readonly editor: { readonly host: string; readonly port: number } | null;
}

interface HostDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly hooks: AuthHooks;
  readonly signIn: EditorSignIn;
  readonly pages: PageAccounts & SocketAccounts;
  readonly live: LiveHooks;
  readonly thumbnail: ThumbnailHook;
  readonly web: WebHooks;
  readonly viewers: Viewers;
  /** For the guided setup and the settings; `restart` exits so that the service manager starts it again. */
  readonly setup: {
    readonly setup: Setup;
    readonly sections: Sections;
    readonly restart: () => void;
  };
  /** Node-RED's storage module. */
  readonly storage: unknown;
  /** Handed to the nodes. */
  readonly services: unknown;
  /** Whether this version is on trial after an update: then it accepts no change. */
  readonly trial: Pick<UpdateTrial, 'isOn'>;
  /** What the owner deployed over the shipped flows, for the editor. */
  readonly ownersFlows: unknown;
  /** Called after each start of the flows with the endpoints that none of them answers. */
  readonly onMissing: (endpoints: readonly string[]) => void;
}

const IN_FLOWS = ENDPOINTS.filter(({ answeredBy }) => answeredBy === 'flow');

const MOST_CONNECTIONS = 400;
/** A browser opens six. */
const MOST_EDITOR_CONNECTIONS = 100;
/** How long running transfers may go on after a stop, in ms; 10 s is the contract's whole. */
const STOP_GRACE_MS = 5_000;

/** Listeners and Node-RED: everything of a running BaluPi but its services. */
export class BaluPiHost {
  readonly #settings: HostSettings;
  readonly #clock: Clock;
  readonly #connections: ConnectionLimit;
  readonly #watch: RequestWatch;
  readonly #nodeRed: NodeRedHost;
  readonly #api: Listeners;
  readonly #editor: Listeners | null;
  readonly #remotes: RemoteAddresses;
  readonly #guard: ApiGuard;
  readonly #files: DashboardFiles;
  readonly #sockets: DashboardSockets;
  readonly #dashboard: DashboardAuth;
  readonly #passing: Passing;
  readonly #trial: HostDeps['trial'];
  #missing: ReadonlySet<string> = new Set();

  constructor(settings: HostSettings, deps: HostDeps) {
    this.#settings = settings;
    [this.#clock, this.#trial] = [deps.clock, deps.trial];
    this.#remotes = new RemoteAddresses(settings.trustedProxies, (peer) => {
      deps.log.warn(
        `Requests from ${peer} come with X-Forwarded-For, and it is not in BALUPI_TRUSTED_PROXIES: ` +
          'whoever is behind it counts as one address.',
      );
    });
    const { editor } = settings;
    const auth = editor === null ? null : new EditorAuth(deps.signIn);
    const userFolder = nodeRedFolder(settings.dataFolder);
    makeNodeRedFolder(userFolder);
    this.#connections = connectionLimit(deps, MOST_CONNECTIONS);
    this.#watch = this.#requestWatch();
    [this.#guard, this.#files] = [this.#apiGuard(deps), this.#dashboardFiles()];
    this.#passing = new Passing(deps.log);
    this.#sockets = new DashboardSockets(deps.pages, deps.viewers, deps.clock, this.#files.told);
    this.#dashboard = this.#dashboardAuth(deps);
    this.#nodeRed = new NodeRedHost(
      nodeRedSettings({
        ...{ packageFolder: settings.packageFolder, palette: settings.palette },
        userFolder,
        storage: deps.storage,
        logLevel: settings.logLevel,
        log: deps.log,
        editor: auth,
        services: deps.services,
        inRoute: this.#passing.inRoute,
        ownersFlows: deps.ownersFlows,
        dashboard: this.#dashboard.settings,
      }),
    );
    this.#nodeRed.onFlowsStarted((nodes) => {
      this.#flowsStarted(nodes, deps.onMissing);
    });
    this.#api = this.#apiListeners(deps);
    this.#editor =
      editor === null || auth === null ? null : this.#editorListeners(editor, auth, deps);
  }

  #requestWatch(): RequestWatch {
    const { answerWithinMs } = this.#settings;
    const [clock, connections] = [this.#clock, this.#connections];
    return new RequestWatch({ clock, answerWithinMs, connections });
  }

  #flowsStarted(nodes: readonly FlowNode[], onMissing: HostDeps['onMissing']): void {
    const missing = unansweredRoutes(nodes, IN_FLOWS);
    this.#missing = new Set(missing.map(({ id }) => id));
    onMissing(missing.map(({ method, path }) => `${method} ${path}`));
    this.#guard.endLost();
  }

  /** The first API port, as opened. */
  get port(): number {
    return this.#api.firstPort;
  }

  /** Null when the editor is shut. */
  get editorPort(): number | null {
    return this.#trial.isOn ? null : (this.#editor?.firstPort ?? null);
  }

  /** Opens the ports first, so that callers get `restarting` rather than a refused connection. */
  async start(): Promise<void> {
    await this.#api.open();
    this.#watch.start();
    this.#sockets.start();
    await this.#nodeRed.start();
    await this.#nodeRed.flowsStarted();
    if (!this.#trial.isOn) await this.takeUp();
  }

  /** What a version on trial keeps shut, though its API is open. */
  async takeUp(): Promise<void> {
    await this.#editor?.open();
  }

  /** To be called when the stored flows have changed. */
  async reloadFlows(): Promise<void> {
    await this.#nodeRed.reload();
  }

  /** Accepts nothing new, gives what runs some time, cuts the rest. */
  async stop(): Promise<void> {
    const closed = Promise.all([this.#api.close(), this.#editor?.close()]);
    const grace = new AbortController();
    const waited = this.#clock.sleep(STOP_GRACE_MS, grace.signal).then(
      () => {
        this.#api.cut();
        this.#editor?.cut();
      },
      () => undefined,
    );
    await closed;
    grace.abort();
    await waited;
    this.#watch.stop();
    this.#sockets.stop();
    await this.#nodeRed.stop();
  }

  #apiGuard({ log, hooks, trial }: HostDeps): ApiGuard {
    return new ApiGuard({
      matcher: new Matcher(ENDPOINTS),
      hooks,
      watch: this.#watch,
      remotes: this.#remotes,
      accel: new Accel(this.#settings.accel, this.#remotes),
      log,
      flowsRun: () => this.#nodeRed.flowsRun,
      takesChanges: () => !trial.isOn,
      isFlowMissing: (endpointId) => this.#missing.has(endpointId),
    });
  }

  #dashboardAuth(deps: HostDeps): DashboardAuth {
    const { pages, clock, log, trial, setup, hooks, thumbnail } = deps;
    return new DashboardAuth({
      signIn: new DashboardSignIn(pages, clock, {
        addressOf: this.#ownerOf,
        isSecure: (request) => this.#remotes.isSecure(request),
      }),
      files: this.#files,
      filesPage: this.#filesPage(),
      thumbnail,
      mayWake: (caller) => hooks.mayWake(caller),
      sockets: this.#sockets,
      setup: new SetupAuth({
        ...setup,
        look: (cookie) => pages.look(cookie),
        isSecure: (request) => this.#remotes.isSecure(request),
        addressOf: this.#ownerOf,
      }),
      watch: this.#watch,
      look: (cookie) => pages.look(cookie),
      find: (cookie) => pages.find(cookie),
      // Its pages act through a socket, so they wait as a whole.
      flowsRun: () => this.#nodeRed.flowsRun && !trial.isOn,
      takesChanges: () => !trial.isOn,
      inner: () => this.#nodeRed.inner,
      log,
    });
  }

  #dashboardFiles(): DashboardFiles {
    const { packageFolder, timeZone } = this.#settings;
    const packed = join(packageFolder, 'dist', 'dashboard');
    return new DashboardFiles(
      { packed, icons: join(packageFolder, 'resources', 'house') },
      timeZone,
      () => this.#nodeRed.flowNodes,
    );
  }

  #filesPage(): FilesPage {
    const { packageFolder, timeZone } = this.#settings;
    const built = join(packageFolder, 'dist', 'files');
    return new FilesPage({ built, packed: built }, timeZone);
  }

  readonly #ownerOf = (request: IncomingMessage): string =>
    shareOf(this.#remotes.of(request).address);

  #apiListeners({ log, live: hooks, web }: HostDeps): Listeners {
    const [guard, dashboard, passing] = [this.#guard, this.#dashboard, this.#passing];
    const docs = new Docs({
      builtFolder: join(this.#settings.packageFolder, 'dist', 'docs'),
      ...{ watch: this.#watch, clock: this.#clock, shareOf: this.#ownerOf },
    });
    const live = new LiveAuth({ hooks, log, ownerOf: this.#ownerOf });
    const cors = new Cors(this.#settings.corsOrigins);
    const flows = this.#nodeRed.api;
    const front = new FrontPage({
      ...this.#settings.front,
      ...{ hooks: web, watch: this.#watch, ownerOf: this.#ownerOf },
    });
    const app = apiApp({ cors, docs, front, dashboard, guard, passing, flows, log });
    return new Listeners({
      host: this.#settings.host,
      ports: this.#settings.ports,
      onRequest: app,
      // Only the Dashboard's and the NAS's; the editor's would answer here otherwise.
      onUpgrade: (request, socket: Socket, head) => {
        if (!live.upgrade(request, socket, head)) dashboard.upgrade(request, socket, head);
      },
      takesUpgrade: (request) => live.takesUpgrade(request) ?? dashboard.takesUpgrade(request),
      connections: this.#connections,
      ownerOf: this.#ownerOf,
    });
  }

  #editorListeners(
    editor: { readonly host: string; readonly port: number },
    auth: EditorAuth,
    deps: HostDeps,
  ): Listeners {
    const check = new HostCheck([editor.host]);
    return new Listeners({
      host: editor.host,
      ports: [editor.port],
      onRequest: editorApp({
        ...{ editor: this.#nodeRed.editor, auth, check, addressOf: this.#ownerOf },
        ...{ watch: this.#watch, log: deps.log },
      }),
      connections: connectionLimit(deps, MOST_EDITOR_CONNECTIONS),
      ownerOf: this.#ownerOf,
      onUpgrade: (request, socket: Socket, head) => {
        const ours = check.allows(request) && /^\/comms(?:[/?]|$)/.test(request.url ?? '');
        if (ours) this.#nodeRed.inner.emit('upgrade', request, socket, head);
        else socket.destroy();
      },
    });
  }
}

function connectionLimit({ clock, log }: HostDeps, most: number): ConnectionLimit {
  return new ConnectionLimit({
    most,
    clock,
    onCrowd: (owner, held) => {
      log.warn(
        `Over half of the ${String(most)} places for connections are taken, ${String(held)} of them ` +
          `by ${owner}, who loses the slowest.`,
      );
    },
  });
}

/**
 * The app of the API listeners: docs, the Dashboard's auth, the guard around Passport, Node-RED's
 * `http in` routes, the same once more for the NAS's, and the 404 for what nobody answered.
 */
function apiApp(deps: {
  readonly cors: Cors;
  readonly docs: Docs;
  readonly front: FrontPage;
  readonly dashboard: DashboardAuth;
  readonly guard: ApiGuard;
  readonly passing: Passing;
  readonly flows: Express;
  readonly log: Log;
}): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use((request, response, next) => {
    setCommonHeaders(response);
    deps.cors.apply(request, response);
    next();
  });
  app.use(deps.front.handle);
  app.use(deps.docs.handle);
  app.use(deps.dashboard.handle);
  app.use(deps.guard.receive, deps.guard.authenticate, deps.guard.admit);
  app.use(deps.flows);
  app.use(deps.passing.again);
  app.use(deps.flows);
  app.use(nobodyAnswered);
  app.use(lastResort(deps.log));
  return app;
}
