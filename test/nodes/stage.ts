import { EventEmitter, once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Call, GuardedRequest } from '../../nodes/lib/guard/call.ts';
import { ALICE, fakeServices } from '../fakes/fake-services.ts';
import { endpointBehind, flowAround, OUTPUTS, registers, type StageOptions } from './stage-flow.ts';

/** A node of a running flow, as far as a test touches it. */
interface RunningNode {
  receive(message: object): void;
  send: (message: unknown) => void;
  on(event: string, listener: (told: { args: readonly unknown[] }) => void): void;
}

interface Helper {
  init(runtimePath: string): void;
  settings(settings: object): void;
  load(nodes: readonly unknown[], flow: readonly object[]): Promise<void>;
  unload(): Promise<void>;
  clearFlows(): Promise<void>;
  setFlows(flow: readonly object[], type: 'nodes'): Promise<void>;
  getNode(id: string): RunningNode | null;
}

type Message = Readonly<Record<string, unknown>>;

/** What a Catch node makes of an error. */
interface Caught extends Message {
  readonly error: { readonly message: string; readonly source: { readonly id: string } };
}

const require = createRequire(import.meta.url);
const helper = require('node-red-node-test-helper') as Helper;
helper.init(require.resolve('node-red'));

/** One node of BaluPi in a flow of its own, in Node-RED's own runtime, behind a loopback port. */
export class Stage {
  /** What left the node, by output. */
  readonly out: readonly Message[][] = OUTPUTS.map(() => []);
  readonly caught: Caught[] = [];
  /** What was shown under the node, from its start on, without the emptiness at first. */
  readonly statuses: Message[];
  /** The node under test. */
  readonly node: RunningNode;
  /** Of the request that came last. */
  response: ServerResponse | null = null;
  readonly #server: Server;
  readonly #endpointId: string | null;
  #isGuarded = true;
  #call: Partial<Call> = {};
  #message: Message = {};
  #ended: () => void = () => undefined;
  readonly #seen = new EventEmitter();
  #count = 0;

  private constructor(server: Server, { type, op }: StageOptions, statuses: Message[]) {
    this.#server = server;
    this.statuses = statuses;
    this.#endpointId = endpointBehind(type, op);
    this.node = running('the-node');
    OUTPUTS.forEach((output) => {
      hear(`out-${output}`, (message) => {
        this.out[output]?.push(message);
        this.#seen.emit('out');
        // Every output of an API flow ends in its reply sooner or later.
        if (message['res'] !== undefined) running('reply').receive(message);
      });
    });
    hear('ended', () => {
      this.#ended();
    });
    if (helper.getNode('caught') === null) return;
    hear('caught', (message) => {
      this.caught.push(message as Caught);
      this.#seen.emit('caught');
      this.#ended();
    });
  }

  static async open(options: StageOptions): Promise<Stage> {
    helper.settings({ balupi: fakeServices(options.services) });
    const statuses = shownUnder('the-node');
    await helper.load(await registers(), flowAround(options));
    const server = createServer();
    const stage = new Stage(server, options, statuses);
    const app = express();
    app.use((request, response) => {
      const guarded = request as unknown as GuardedRequest;
      const call = stage.callOf(stage.#call);
      if (stage.#isGuarded) guarded.call = call;
      response.setHeader('X-Request-Id', call.id);
      stage.response = response;
      stage.node.receive({ ...stage.#message, req: guarded, res: { _res: response } });
    });
    server.on('request', app);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return stage;
  }

  async close(): Promise<void> {
    await helper.unload();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** As a deploy does that takes the node away. */
  async endFlows(): Promise<void> {
    await helper.clearFlows();
  }

  /** As a deploy does that changes the node: what stands there from then on has the same id. */
  async redeploy(options: StageOptions): Promise<void> {
    await helper.setFlows(flowAround(options), 'nodes');
  }

  /** What the messages of requests carry from the nodes before this one. */
  carry(message: Message): void {
    this.#message = message;
  }

  /** Requests come as if no guard stood in front. */
  withoutCall(): void {
    this.#isGuarded = false;
  }

  /** Sends a message that belongs to no request, and waits until the node is done with it. */
  async send(message: Message = {}): Promise<void> {
    const { promise, resolve: ended } = Promise.withResolvers<undefined>();
    this.#ended = () => {
      ended(undefined);
    };
    this.node.receive({ ...message });
    await promise;
  }

  /** Lets the flow and the sockets have their turn. */
  async turn(): Promise<void> {
    await new Promise<void>((ended) => {
      setImmediate(ended);
    });
  }

  /** Waits until something was caught or went out, unless it was already. */
  async next(what: 'caught' | 'out'): Promise<void> {
    const there = what === 'caught' ? this.caught.length : this.out.flat().length;
    if (there === 0) await once(this.#seen, what);
  }

  /** A request of alice's, as it comes out of the guard in front of Node-RED. */
  async request(call: Partial<Call> = {}, init: RequestInit & { url?: string } = {}) {
    this.#call = call;
    const { port } = this.#server.address() as AddressInfo;
    return await fetch(`http://127.0.0.1:${port}${init.url ?? '/'}`, init);
  }

  /** As {@link request}, read to the end. */
  async ask(call: Partial<Call> = {}, init: RequestInit & { url?: string } = {}) {
    const answered = await this.request(call, init);
    const text = await answered.text();
    const isJson = answered.headers.get('content-type')?.startsWith('application/json') ?? false;
    const payload: unknown = isJson ? JSON.parse(text) : text;
    return { status: answered.status, headers: answered.headers, payload };
  }

  /** A call of alice's to the endpoint that leads to this node, but for what is given. */
  callOf(given: Partial<Call>): Call {
    this.#count += 1;
    return {
      id: `request-${this.#count}`,
      endpointId: this.#endpointId,
      caller: ALICE,
      query: {},
      body: {},
      params: {},
      rest: null,
      address: '127.0.0.1',
      auto: false,
      language: 'en',
      signal: new AbortController().signal,
      holders: { count: 0 },
      ...given,
    };
  }
}

interface ShownStatus {
  readonly id: string;
  readonly status?: Message;
}

interface RuntimeEvents {
  on(event: 'node-status', listener: (shown: ShownStatus) => void): void;
  removeAllListeners(event: 'node-status'): void;
}

/** Hears the runtime itself, as a node says how it stands before anybody can get hold of it. */
function shownUnder(id: string): Message[] {
  const { events } = require('@node-red/util') as { readonly events: RuntimeEvents };
  const statuses: Message[] = [];
  events.removeAllListeners('node-status');
  events.on('node-status', (shown) => {
    const { status = {} } = shown;
    const isEmptyAtFirst = statuses.length === 0 && Object.keys(status).length === 0;
    if (shown.id === id && !isEmptyAtFirst) statuses.push(status);
  });
  return statuses;
}

function running(id: string): RunningNode {
  const node = helper.getNode(id);
  if (node === null) throw new Error(`The stage has no node ${id}.`);
  return node;
}

function hear(id: string, listener: (message: Message) => void): void {
  running(id).on('input', listener);
}

/** To be called in a `describe`: opens a stage at a time, and closes the last after its test. */
export function stages(): (options: StageOptions) => Promise<Stage> {
  let opened: Stage | null = null;
  afterEach(async () => {
    await opened?.close();
    opened = null;
  });
  return async (options) => {
    await opened?.close();
    opened = null;
    opened = await Stage.open(options);
    return opened;
  };
}
