import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import { SystemClock } from '../../../../nodes/lib/time/system-clock.ts';
import { logOf, openNodeStore } from '../../lib/node-store.ts';
import { type DriverChoice, parseDiscoveryAddresses, Tapo } from '../../lib/tapo/tapo.ts';

interface AccountConfig extends NodeDef {
  readonly driver: DriverChoice;
  /** Seconds between two readings. */
  readonly interval: string | number;
  /** Where to search, by commas; empty for the broadcasts of this machine. */
  readonly addresses: string;
  /** Plugs that only speak AES get the password too. */
  readonly oldProtocol: boolean;
}

interface AccountCredentials {
  readonly username?: string;
  readonly password?: string;
}

/** The config node as the plug nodes take it. */
export interface AccountNode extends Node<AccountCredentials> {
  readonly plugs: Tapo;
  /** @returns whether a plug that asks for the old protocol is read by it from now on */
  readonly allowOldProtocol: (id: string) => boolean;
}

const SHORTEST_S = 2;
const USUAL_S = 30;
const DRIVERS: readonly DriverChoice[] = ['auto', 'klap', 'tpap'];

/** The plugs of an account, read round by round for as long as the config node lives. */
class RunningAccount {
  readonly tapo: Tapo;
  readonly #node: Node<AccountCredentials>;
  readonly #store: Store;
  readonly #clock: SystemClock;
  readonly #intervalMs: number;
  readonly #mayOldProtocol: boolean;
  #cancel: () => void = () => undefined;

  constructor(node: Node<AccountCredentials>, config: AccountConfig, store: Store) {
    const { username = '', password = '' } = node.credentials;
    this.#node = node;
    this.#store = store;
    this.#clock = new SystemClock((error) => {
      node.error(error);
    });
    this.#intervalMs = 1_000 * Math.max(SHORTEST_S, Number(config.interval) || USUAL_S);
    this.#mayOldProtocol = config.oldProtocol;
    const addresses = config.addresses.trim();
    this.tapo = new Tapo({
      store,
      clock: this.#clock,
      log: logOf(node),
      credentials: username === '' || password === '' ? null : { username, password },
      driver: DRIVERS.includes(config.driver) ? config.driver : 'auto',
      discoveryAddresses: addresses === '' ? null : parseDiscoveryAddresses(addresses),
      timeZone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
      judgeClock: () => null,
      isNasOff: () => false,
    });
  }

  async start(): Promise<void> {
    this.tapo.start();
    if (this.tapo.list().length === 0) await this.tapo.discover();
    await this.#round();
  }

  async stop(): Promise<void> {
    this.#cancel();
    await this.tapo.stop();
    this.#store.close();
  }

  allowOldProtocol(id: string): boolean {
    const asks = this.tapo.list().some((plug) => plug.id === id && plug.oldProtocol === 'asked');
    if (!asks || !this.#mayOldProtocol) return false;
    return this.tapo.update(id, { confirmOldProtocol: true }).kind === 'updated';
  }

  async #round(): Promise<void> {
    this.#cancel = this.#clock.after(this.#intervalMs, () => {
      this.#round().catch((error: unknown) => {
        this.#node.error(error);
      });
    });
    for (const { id } of this.tapo.list()) this.allowOldProtocol(id);
    await this.tapo.pollAll();
    this.tapo.devices.flush(false)();
  }
}

/** Lists an account's plugs for a node's dialog, after a search if requested. */
function offerPlugs(RED: NodeAPI): void {
  const plugsOf = (id: string): AccountNode | undefined =>
    (RED.nodes.getNode(id) as AccountNode | null) ?? undefined;
  const list = (account: AccountNode | undefined): object[] =>
    (account?.plugs.list() ?? []).map(({ id, name, model, state }) => ({ id, name, model, state }));
  RED.httpAdmin.get(
    '/balupi-tapo/:account/plugs',
    RED.auth.needsPermission('flows.read'),
    (request, response) => {
      response.json(list(plugsOf(request.params['account'] ?? '')));
    },
  );
  RED.httpAdmin.post(
    '/balupi-tapo/:account/search',
    RED.auth.needsPermission('flows.write'),
    (request, response) => {
      const account = plugsOf(request.params['account'] ?? '');
      Promise.resolve(account?.plugs.discover()).then(
        () => response.json(list(account)),
        () => response.status(500).json([]),
      );
    },
  );
}

/** Config node `balupi-tapo-account`. */
export default function register(RED: NodeAPI): void {
  function Account(this: AccountNode, config: AccountConfig): void {
    RED.nodes.createNode(this, config);
    const store = openNodeStore(RED.settings, this.id, 'tapo');
    const running = new RunningAccount(this, config, store);
    Object.assign(this, {
      plugs: running.tapo,
      allowOldProtocol: (id: string) => running.allowOldProtocol(id),
    });
    running.start().catch((error: unknown) => {
      this.error(error);
    });
    this.on('close', (done: () => void) => {
      running.stop().then(done, (error: unknown) => {
        this.error(error);
        done();
      });
    });
  }
  RED.nodes.registerType('balupi-tapo-account', Account as never, {
    credentials: { username: { type: 'text' }, password: { type: 'password' } },
  });
  offerPlugs(RED);
}
