import { createServer, type Server } from 'node:http';
import type { Express } from 'express';
import RED from 'node-red';
import type { FlowNode } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import type { NodeSet } from '../flows/node-types.ts';

/** Node-RED's settings; its published types lag behind 5.0. */
export type NodeRedSettings = Readonly<Record<string, unknown>>;

interface Deployed {
  readonly flows: readonly FlowNode[];
}

interface Runtime {
  readonly runtime: { readonly flows: { setFlows(options: object): Promise<unknown> } };
}

/** Node-RED's runtime-state event for the editor (runtime/lib/flows, 5.0.7). */
interface RuntimeTold {
  readonly id?: string;
  readonly payload?: { readonly error?: string };
}

interface RuntimeEvents {
  on(event: string, listener: (told: unknown) => void): void;
}

/**
 * The only place that controls Node-RED's life cycle. Node-RED is a singleton of its process, so there
 * is one of these at a time.
 */
export class NodeRedHost {
  /**
   * Node-RED attaches its sockets to the server it is given, bypassing all Express middleware
   * (measured on 5.0.7). So it gets one that never listens; the real listeners pass on what they admit.
   */
  readonly #inner: Server = createServer();
  readonly #firstStart = Promise.withResolvers<undefined>();
  #flowsRun = false;
  /** Resolvers of calls that wait until the flows run again, or cannot. */
  readonly #waiting: (() => void)[] = [];
  #isLeavingOut = false;
  #flowNodes: readonly FlowNode[] = [];
  #onStarted: (nodes: readonly FlowNode[]) => void = () => undefined;

  constructor(settings: NodeRedSettings) {
    RED.init(this.#inner, settings as unknown as Parameters<typeof RED.init>[1]);
    const events = RED.events as unknown as RuntimeEvents;
    events.on('flows:starting', () => (this.#flowsRun = false));
    events.on('flows:started', (told) => {
      this.#flowNodes = (told as { readonly config: Deployed }).config.flows;
      this.#onStarted(this.#flowNodes);
      this.#flowsRun = true;
      this.#isLeavingOut = false;
      this.#firstStart.resolve(undefined);
      this.#tellWaiting();
    });
    events.on('flows:stopping', () => (this.#flowsRun = false));
    events.on('runtime-event', (told) => {
      const { id, payload } = told as RuntimeTold;
      if (id !== 'runtime-state' || payload?.error !== 'missing-types') return;
      this.#tellWaiting();
      this.#leaveOut();
    });
    // Disables JSONP: Express would answer `?callback=` with a script, and no request can carry this name.
    this.api.set('jsonp callback name', '\0');
    this.api.set('etag', false);
    this.api.disable('x-powered-by');
  }

  /** False while flows start, stop or are redeployed. */
  get flowsRun(): boolean {
    return this.#flowsRun;
  }

  /** All nodes of the running flows. */
  get flowNodes(): readonly FlowNode[] {
    return this.#flowNodes;
  }

  /** Calls back with all nodes after each start of the flows, the first and every deploy. */
  onFlowsStarted(listener: (nodes: readonly FlowNode[]) => void): void {
    this.#onStarted = listener;
  }

  /** Where `http in` nodes answer. */
  get api(): Express {
    return RED.httpNode;
  }

  /** The editor and its API. */
  get editor(): Express {
    return RED.httpAdmin;
  }

  get inner(): Server {
    return this.#inner;
  }

  async start(): Promise<void> {
    await RED.start();
  }

  /** Resolves once the flows run for the first time; Node-RED starts them in the background. */
  async flowsStarted(): Promise<void> {
    await this.#firstStart.promise;
  }

  /**
   * Reloads and starts the flows, after a running deploy. Resolves once they run, or cannot:
   * Node-RED's own promise resolves while they still start.
   */
  async reload(): Promise<void> {
    await (RED as unknown as Runtime).runtime.flows.setFlows({ deploymentType: 'reload' });
    if (this.#flowsRun) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #tellWaiting(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }

  /**
   * With a node of a type that is not installed, Node-RED starts no flow at all. By now the storage has
   * the deploy, and returns the part that can run.
   */
  #leaveOut(): void {
    if (this.#isLeavingOut) return;
    this.#isLeavingOut = true;
    this.reload().catch((error: unknown) => {
      this.#isLeavingOut = false;
      RED.log.error(`The flows that can run could not be started: ${String(error)}`);
    });
  }

  async stop(): Promise<void> {
    this.#flowsRun = false;
    await RED.stop();
    this.#tellWaiting();
  }
}

/** Node-RED's registry: what it found, and what could be loaded. */
export function installedNodeSets(): readonly NodeSet[] {
  return (RED.nodes as unknown as { getNodeList(): readonly NodeSet[] }).getNodeList();
}
