import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import { CodedError } from '../../lib/node-store.ts';
import type {
  PlugFailure,
  PlugReading,
  PlugSample,
  Tapo,
  TapoDevice,
} from '../../lib/tapo/tapo.ts';
import type { AccountNode } from '../account/account.ts';

type Op = 'read' | 'readings' | 'on' | 'off' | 'toggle' | 'discover';

interface PlugConfig extends NodeDef {
  readonly op: Op;
  readonly account: string;
  /** An id; `msg.plug` overrides it. */
  readonly plug: string;
}

type PlugMessage = NodeMessageInFlow & { readonly plug?: unknown };

const LOOKS = {
  none: { fill: 'red', shape: 'ring', text: 'plug.status.account' },
  on: { fill: 'green', shape: 'dot', text: 'plug.status.on' },
  off: { fill: 'grey', shape: 'dot', text: 'plug.status.off' },
  unknown: { fill: 'grey', shape: 'ring', text: 'plug.status.unknown' },
} as const;

/** The present state of the plug, in the words of the node's locales. */
function lookOf(plugs: readonly TapoDevice[], { plug, op }: PlugConfig): object {
  const chosen = plugs.find(({ id }) => id === plug);
  if (chosen === undefined) return op === 'readings' ? {} : LOOKS.unknown;
  if (chosen.state !== 'ok' && chosen.state !== 'session_taken') {
    return { fill: 'yellow', shape: 'ring', text: `plug.state.${chosen.state}` };
  }
  return chosen.isOn === null ? LOOKS.unknown : chosen.isOn ? LOOKS.on : LOOKS.off;
}

/** A reading as `msg.payload` contains it; what a plug does not report is null, never 0. */
function payloadOf({ id, name }: TapoDevice, reading: PlugReading): object {
  const { powerMw, voltageMv, currentMa, todayEnergyWh, monthEnergyWh, isOn } = reading;
  return {
    ...{ id, name, is_on: isOn, watts: thousandth(powerMw), wh: monthEnergyWh },
    ...{ today_wh: todayEnergyWh, month_wh: monthEnergyWh },
    ...{ volts: thousandth(voltageMv), amperes: thousandth(currentMa) },
  };
}

function thousandth(value: number | null): number | null {
  return value === null ? null : value / 1_000;
}

/** What a node does with the plugs of its account. */
class PlugOperations {
  readonly #tapo: Tapo;
  readonly #account: AccountNode;
  readonly #say: (key: string) => string;

  /** @param say the words of a key of the locales, in the language of this Node-RED */
  constructor(account: AccountNode, say: (key: string) => string) {
    this.#tapo = account.plugs;
    this.#account = account;
    this.#say = say;
  }

  /** @throws CodedError for a Catch node */
  async run(op: Exclude<Op, 'readings'>, wanted: string): Promise<unknown> {
    if (op === 'discover') return await this.#discover();
    const plug = this.#called(wanted);
    if (op === 'read') return await this.#read(plug);
    const outcome = await this.#tapo.toggle(plug.id, op === 'toggle' ? {} : { to: op });
    if (outcome.kind === 'switched') {
      return { id: plug.id, name: plug.name, is_on: outcome.isOn };
    }
    if (outcome.kind === 'failed') throw this.#refused(outcome.failure);
    throw new CodedError('unknown_plug', this.#say('plug.error.unknown_plug'));
  }

  async #discover(): Promise<object[]> {
    const { devices } = await this.#tapo.discover();
    return devices.map(({ id, name, model, ipAddress, macAddress, state }) => ({
      ...{ id, name, model, address: ipAddress, mac: macAddress, state },
    }));
  }

  async #read(plug: TapoDevice): Promise<object> {
    let outcome = await this.#tapo.read(plug.id);
    if (outcome !== null && outcome.kind !== 'reading') {
      if (this.#account.allowOldProtocol(plug.id)) outcome = await this.#tapo.read(plug.id);
    }
    if (outcome === null) {
      throw new CodedError('unknown_plug', this.#say('plug.error.unknown_plug'));
    }
    if (outcome.kind !== 'reading') throw this.#refused(outcome);
    return payloadOf(plug, outcome.reading);
  }

  /** By id first: a plug may be named like another one's id. */
  #called(wanted: string): TapoDevice {
    const plugs = this.#tapo.list();
    const plug = plugs.find(({ id }) => id === wanted) ?? plugs.find(({ name }) => name === wanted);
    if (plug !== undefined) return plug;
    const key = wanted === '' ? 'no_plug' : 'unknown_plug';
    throw new CodedError(key, this.#say(`plug.error.${key}`));
  }

  #refused({ kind, cause, detail }: PlugFailure): CodedError {
    const code = cause ?? kind;
    return new CodedError(code, `${this.#say(`plug.state.${kind}`)}: ${detail}`);
  }
}

function wantedOf({ plug }: PlugMessage, config: PlugConfig): string {
  return typeof plug === 'string' ? plug : config.plug;
}

/** Sends each reading of the chosen plug, or of all, to the node's wires. */
function teller(node: Node, tapo: Tapo, config: PlugConfig): (sample: PlugSample) => void {
  return ({ id, outcome }) => {
    const plug = tapo.list().find((one) => one.id === id);
    const isOther = config.plug !== '' && config.plug !== id;
    if (config.op !== 'readings' || outcome.kind !== 'reading') return;
    if (plug === undefined || isOther) return;
    node.send({ topic: plug.name, payload: payloadOf(plug, outcome.reading) });
  };
}

/** Shows the plug's state, whenever it changes. */
function shower(node: Node, tapo: Tapo, config: PlugConfig): () => void {
  let shown = '';
  return () => {
    const look = lookOf(tapo.list(), config);
    if (JSON.stringify(look) !== shown) node.status(look);
    shown = JSON.stringify(look);
  };
}

/** A node whose account is missing, or could not be opened. */
function withoutAccount(node: Node, sentence: string): void {
  node.status(LOOKS.none);
  node.on('input', (_message, _send, done) => {
    done(new CodedError('no_account', sentence));
  });
}

/** Node `balupi-tapo-plug`. */
export default function register(RED: NodeAPI): void {
  function Plug(this: Node, config: PlugConfig): void {
    RED.nodes.createNode(this, config);
    const account = RED.nodes.getNode(config.account) as AccountNode | null;
    if (account === null) {
      withoutAccount(this, RED._('plug.error.no_account'));
      return;
    }
    const { op } = config;
    const operations = new PlugOperations(account, (key) => RED._(key));
    const show = shower(this, account.plugs, config);
    show();
    const stops = [account.plugs.onSample(teller(this, account.plugs, config))];
    stops.push(account.plugs.onSample(show));
    this.on('close', () => {
      for (const stop of stops) stop();
    });
    this.on('input', (message: NodeMessageInFlow, send, done) => {
      if (op === 'readings') {
        done();
        return;
      }
      operations
        .run(op, wantedOf(message, config))
        .then((payload) => {
          send({ ...message, payload });
          done();
        }, done)
        .finally(show);
    });
  }
  RED.nodes.registerType('balupi-tapo-plug', Plug);
}
