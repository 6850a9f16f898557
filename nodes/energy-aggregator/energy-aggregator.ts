import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Act, actOf } from '../lib/guard/acts.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import { guardInput, showStatus } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import type { PlugSample } from '../lib/tapo/tapo.ts';
import { addPrice, listPrices, recalculate, removePrice, updatePrice } from './price-acts.ts';
import { costs, current, history, summary } from './query-acts.ts';

interface EnergyConfig extends NodeDef {
  readonly op: string;
  readonly store: string;
}

/** Books what a plug told; one that did not answer is no reading, and never 0 W. */
function record({ energy }: Rooms, message: ApiMessage): void {
  const { deviceNumber, atMonotonicMs, outcome } = message.payload as PlugSample;
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
      relay: reading.isOn ? 'on' : 'off',
    },
  ]);
}

function rollUp({ energy }: Rooms): void {
  energy.rollUp();
}

const ACTS: Readonly<Record<string, Act<Rooms>>> = {
  record,
  'roll-up': rollUp,
  current,
  history,
  costs,
  summary,
  prices: listPrices,
  'add-price': addPrice,
  'update-price': updatePrice,
  'remove-price': removePrice,
  recalculate,
};

/** Node `balupi-energy-aggregator`. */
export default function register(RED: NodeAPI): void {
  function EnergyAggregator(this: Node, config: EnergyConfig): void {
    RED.nodes.createNode(this, config);
    guardInput(this, (message) => {
      const rooms = roomsBehind(RED.nodes.getNode(config.store));
      const out = actOf(ACTS, config.op)(rooms, message);
      if (config.op === 'record') {
        const { totalPowerW } = rooms.energy.current();
        const text = totalPowerW === null ? '–' : `${totalPowerW.toFixed(1)} W`;
        showStatus(this, { fill: 'green', shape: 'dot', text });
      }
      return out;
    });
  }
  RED.nodes.registerType('balupi-energy-aggregator', EnergyAggregator);
}
