import type { Node, NodeAPI, NodeDef, NodeMessageInFlow } from 'node-red';
import {
  costsJson,
  currentJson,
  type Energy,
  historyJson,
  type QueryRefusal,
} from '../../lib/energy/energy.ts';
import { CodedError } from '../../lib/node-store.ts';
import type { EnergyStoreNode } from '../energy-store/energy-store.ts';

interface EnergyConfig extends NodeDef {
  readonly op: 'record' | 'current' | 'history' | 'costs';
  readonly store: string;
  /** Id of one source; empty for all. `msg.id` overrides it. */
  readonly source: string;
  /** `msg.period` overrides it. */
  readonly period: string;
}

type EnergyMessage = NodeMessageInFlow & Readonly<Record<string, unknown>>;

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function inputOf(message: EnergyMessage, config: EnergyConfig) {
  const { from, to } = message;
  return {
    deviceId: textOf(message['id']) ?? textOf(config.source),
    period: textOf(message['period']) ?? textOf(config.period),
    from: textOf(from),
    to: textOf(to),
    resolution: textOf(message['resolution']),
  };
}

/**
 * @returns what is sent as `msg.payload`.
 * @throws CodedError for a Catch node
 */
function asked(energy: Energy, message: EnergyMessage, config: EnergyConfig): unknown {
  const input = inputOf(message, config);
  if (config.op === 'costs') {
    const costs = energy.costs(input);
    if (costs.kind !== 'costs') throw refused(costs);
    return costsJson(costs);
  }
  if (config.op === 'history') {
    const history = energy.histories.history(input);
    if (history.kind !== 'history') throw refused(history);
    return historyJson(history);
  }
  return currentJson(energy.current());
}

function refused({ kind }: QueryRefusal): CodedError {
  return new CodedError(kind, `The energy store cannot answer that: ${kind.replaceAll('_', ' ')}.`);
}

/** Node `balupi-energy`. */
export default function register(RED: NodeAPI): void {
  function EnergyNode(this: Node, config: EnergyConfig): void {
    RED.nodes.createNode(this, config);
    const store = RED.nodes.getNode(config.store) as EnergyStoreNode | null;
    if (store === null) this.status({ fill: 'red', shape: 'ring', text: 'energy.status.store' });
    this.on('input', (message: EnergyMessage, send, done) => {
      try {
        if (store === null) throw new CodedError('no_store', RED._('energy.error.no_store'));
        if (config.op === 'record') store.record(message.payload);
        const payload = asked(store.energy, message, config);
        send({ ...message, payload });
        done();
      } catch (error) {
        done(error as Error);
      }
    });
  }
  RED.nodes.registerType('balupi-energy', EnergyNode);
}
