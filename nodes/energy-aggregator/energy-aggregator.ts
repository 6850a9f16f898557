import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type UnusualHour, unusualJson } from '../lib/energy/energy.ts';
import { actOf, type Acts, actsOf } from '../lib/guard/acts.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { FieldReader, type Given, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import type { PlugSample } from '../lib/tapo/tapo.ts';
import {
  dashboard,
  deviceTypes,
  growthOfAll,
  hourly,
  oneSmartDevice,
  periodStats,
  plugCost,
  plugGrowth,
  plugHistory,
  powerSummary,
  smartDevices,
} from './app-acts.ts';
import { DECLARATION } from './operations.ts';
import {
  addPrice,
  correct,
  corrections,
  listPrices,
  putSlots,
  recalculate,
  removePrice,
  undoCorrection,
  updatePrice,
} from './price-acts.ts';
import {
  announce,
  costs,
  current,
  history,
  PAGE_ACTS,
  publishStates,
  report,
  summary,
} from './query-acts.ts';

interface EnergyConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
}

/**
 * Books what a plug told; one that did not answer is no reading, and never 0 W.
 * @throws Error for a message that is not the tapo meter's
 */
function record({ energy }: Rooms, _message: ApiMessage, { payload }: Given): void {
  const { deviceNumber, atMonotonicMs, outcome } = sampleIn(payload);
  if (outcome.kind !== 'reading') return;
  const { reading } = outcome;
  energy.record([
    {
      deviceNumber,
      monotonicMs: atMonotonicMs,
      powerMw: reading.powerMw,
      voltageMv: reading.voltageMv,
      currentMa: reading.currentMa,
      todayWh: reading.todayEnergyWh,
      monthWh: reading.monthEnergyWh,
      relay: reading.isOn === null ? null : reading.isOn ? 'on' : 'off',
      ...(reading.deviceLocalTime === undefined ? {} : { plugLocalTime: reading.deviceLocalTime }),
    },
  ]);
}

function sampleIn(payload: unknown): PlugSample {
  const told = payload as Partial<PlugSample> | null | undefined;
  if (typeof told?.outcome !== 'object' || typeof told.deviceNumber !== 'number') {
    throw new Error('This message holds no reading; wire record behind read the plugs.');
  }
  return told as PlugSample;
}

/** What is unusual leaves by itself (see below). */
function lookForUnusual({ energy }: Rooms): void {
  energy.lookForUnusual();
}

/** One slice: the next tick goes on where more is due. */
function prune({ energy }: Rooms): void {
  energy.prune();
}

/** The message goes on at the first output; what is unusual leaves the second. */
function rollUp({ energy }: Rooms, message: ApiMessage): ApiMessage {
  energy.rollUp();
  energy.prune();
  energy.lookForUnusual();
  return message;
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  record,
  current,
  history,
  report,
  costs,
  summary,
  correct,
  corrections,
  'undo-correction': undoCorrection,
  prices: listPrices,
  'add-price': addPrice,
  'update-price': updatePrice,
  'remove-price': removePrice,
  'price-slots': putSlots,
  recalculate,
  'app-devices': smartDevices,
  'app-power': powerSummary,
  'app-dashboard': dashboard,
  'app-types': deviceTypes,
  'app-device': oneSmartDevice,
  'app-stats': periodStats,
  'app-hourly': hourly,
  'app-cost': plugCost,
  'app-growth': plugGrowth,
  'app-growth-of-all': growthOfAll,
  'app-history': plugHistory,
  'mqtt-sensors': announce,
  'mqtt-states': publishStates,
  unusual: lookForUnusual,
  prune,
  'roll-up': rollUp,
  ...PAGE_ACTS,
});

function statusOf({ energy }: Rooms): NodeStatus {
  const { totalPowerW } = energy.current();
  const text = totalPowerW === null ? '–' : `${totalPowerW.toFixed(1)} W`;
  return { fill: 'green', shape: 'dot', text };
}

/** Node `balupi-energy-aggregator`. */
export default function register(RED: NodeAPI): void {
  function EnergyAggregator(this: Node, config: EnergyConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => (config.op === 'record' ? statusOf(rooms()) : {}));
    let stopListening: (() => void) | null = null;
    const tell = guard.callback((hour: UnusualHour) => {
      const message = { topic: 'unusual', payload: unusualJson(hour) };
      this.send(config.op === 'unusual' ? message : [null, message]);
    });
    const listening =
      <Out>(act: (given: Rooms, message: ApiMessage) => Out) =>
      (given: Rooms, message: ApiMessage): Out => {
        stopListening ??= given.energy.onUnusual(tell);
        return act(given, message);
      };
    const acts: Acts<Rooms> = {
      ...ACTS,
      unusual: listening(lookForUnusual),
      'roll-up': listening(rollUp),
    };
    guard.onInput((message) => actOf(acts, config.op, '', fields)(rooms(), message));
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-energy-aggregator', EnergyAggregator);
}
