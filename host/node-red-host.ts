import { createServer, type Server } from 'node:http';
import type { Express } from 'express';
import RED from 'node-red';
import type { FlowNode } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import type { NodeSet } from '../flows/node-types.ts';

/** Settings as Node-RED takes them; its published types lag behind 5.0, so the host names its own. */
export type NodeRedSettings = Readonly<Record<string, unknown>>;

interface Deployed {
  readonly flows: readonly FlowNode[];
}

interface Runtime {
  readonly runtime: { readonly flows: { setFlows(options: object): Promise<unknown> } };
}

/** What Node-RED tells the editor of its state (runtime/lib/flows, 5.0.7). */
interface RuntimeTold {
  readonly id?: string;
  readonly payload?: { readonly error?: string };
}

interface RuntimeEvents {
  on(event: string, listener: (told: unknown) => void): void;
}

/**
 * The one place that touches Node-RED's own life cycle. Node-RED is a singleton of its process, so
 * there is one of these at a time.
 */
export class NodeRedHost {
  /**
   * Node-RED attaches its sockets to the server it is given, past every Express guard (measured on
   * 5.0.7). It gets one that never listens; the real listeners pass on what they let through.
   */
  readonly #inner: Server = createServer();
  readonly #firstStart = Promise.withResolvers<undefined>();
  #flowsRun = false;
  /** Who waits until the flows run again, or cannot. */
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
    // Express would answer `?callback=` with a script; no request can carry this name.
    this.api.set('jsonp callback name', '\0');
    this.api.set('etag', false);
    this.api.disable('x-powered-by');
  }

  /** False while flows start, stop or are redeployed. */
  get flowsRun(): boolean {
    return this.#flowsRun;
  }

  /** All nodes of the flows that were started last. */
  get flowNodes(): readonly FlowNode[] {
    return this.#flowNodes;
  }

  /** Calls back with all nodes each time flows have started, at first and after each deploy. */
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
   * Reads the flows anew and starts them, behind a deploy that is under way. Resolves once they run,
   * or cannot: Node-RED's own word comes while they still start.
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
   * A deploy brought a node of a type that is not installed, and Node-RED starts no flow at all then.
   * The storage has the deploy by now, and gives what can run.
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

/** Node-RED's registry: what it found, and what of it could be loaded. */
export function installedNodeSets(): readonly NodeSet[] {
  return (RED.nodes as unknown as { getNodeList(): readonly NodeSet[] }).getNodeList();
}
