import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import type {
  CorrectionAnswer,
  CorrectionBody,
  CorrectionsQuery,
  EnergyCostsQuery,
  EnergyHistoryQuery,
  EnergyReportQuery,
  PriceSlotsBody,
  RecalculateAnswer,
  RecalculateBody,
} from '../lib/api/api.ts';
import {
  type CorrectionFault,
  correctionJson,
  costedJson,
  type Costs,
  costsJson,
  currentJson,
  historyCsv,
  historyJson,
  type HistoryWish,
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
  type Price,
  priceErrors,
  priceJson,
  type PriceOutcome,
  priceWish,
  reportCsv,
  reportJson,
  type ReportRefusal,
  slotErrors,
  summaryJson,
  type UnusualHour,
  unusualJson,
  type WishRefusal,
} from '../lib/energy/energy.ts';
import { actOf, type Acts, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { type Answer, answer, refuse } from '../lib/http/http.ts';
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

const UNKNOWN = 'There is no price with this id.';

function listPrices({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(energy.prices().map(priceJson)));
}

function addPrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, outcomeAnswer(energy, energy.createPrice(wishOf(message)), 201));
}

function updatePrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(
    message,
    outcomeAnswer(energy, energy.updatePrice(idOf(message), wishOf(message)), 200),
  );
}

function removePrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { kind } = energy.removePrice(idOf(message));
  const gone = answer({ message: 'Deleted' });
  return withAnswer(message, kind === 'removed' ? gone : refuse('not_found', { detail: UNKNOWN }));
}

async function recalculate({ energy }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { from } = callOf(message).body as RecalculateBody;
  const done = await energy.recalculate(from);
  if (done.kind === 'bad_range') {
    const errors = [
      {
        loc: ['body', 'from'],
        msg: 'must be a day such as 2026-02-22 or a time such as 2026-02-22T14:30:00Z',
      },
    ];
    return withAnswer(message, refuse('invalid', { errors }));
  }
  const payload: RecalculateAnswer = {
    message: 'Recalculated',
    recalculated_hours: done.changedHours,
  };
  return withAnswer(message, answer(payload));
}

/**
 * Takes the slots of a request or, where there is none, of the Pi's own flow in the payload.
 * @throws Error for slots of a flow that are not right, naming their places
 */
function putSlots({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const isOwn = message.req === undefined;
  const { name, slots } = isOwn
    ? slotsIn(message.payload)
    : (callOf(message).body as PriceSlotsBody);
  const wishes = slots.map(({ price_per_kwh_cents: pricePerKwhCents, from, to }) => ({
    ...{ from, to, pricePerKwhCents },
  }));
  const outcome = energy.putSlots(name, wishes);
  if (isOwn) {
    if (outcome.kind === 'invalid') throw new Error(faultsText(slotErrors(outcome.faults)));
    message.payload = changedJson(energy, outcome);
    return message;
  }
  const given =
    outcome.kind === 'price'
      ? answer(changedJson(energy, outcome))
      : refuse('invalid', { errors: slotErrors(outcome.faults) });
  return withAnswer(message, given);
}

/** What a flow sent; what has not the form of a slot is told as one that is wrong. */
function slotsIn(payload: unknown): PriceSlotsBody {
  const { name, slots } = (payload ?? {}) as Partial<PriceSlotsBody>;
  const list: readonly unknown[] = Array.isArray(slots) ? slots : [];
  const told = list.map((slot) => ({ ...(slot as PriceSlotsBody['slots'][number]) }));
  return { name: typeof name === 'string' ? name : 'Dynamic', slots: told };
}

function faultsText(errors: readonly { loc: readonly (string | number)[]; msg: string }[]): string {
  const places = errors.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`);
  return `The prices were not taken. ${places.join('; ')}`;
}

/** With how much of its time has a cost already, which this change leaves as it is. */
function changedJson(energy: Pick<Rooms['energy'], 'costed'>, { price, before }: Changed) {
  return { ...priceJson(price), ...costedJson(energy.costed(price, before)) };
}

interface Changed {
  readonly price: Price;
  readonly before?: Price;
}

function idOf(message: ApiMessage): number {
  return Number(callOf(message).params['id']);
}

function wishOf(message: ApiMessage): ReturnType<typeof priceWish> {
  return priceWish(callOf(message).body as Readonly<Record<string, unknown>>);
}

function outcomeAnswer(
  energy: Pick<Rooms['energy'], 'costed'>,
  outcome: PriceOutcome,
  statusCode: 200 | 201,
): Answer {
  switch (outcome.kind) {
    case 'price':
      return answer(changedJson(energy, outcome), statusCode);
    case 'invalid':
      return refuse('invalid', { errors: priceErrors(outcome.faults) });
    case 'unknown_price':
      return refuse('not_found', { detail: UNKNOWN });
  }
}

const TOO_OLD =
  'The hours of that time are no longer kept (BALUPI_ENERGY_HOURLY_RETENTION_DAYS), only its days.';

const FAULTS: Readonly<Record<CorrectionFault, readonly [string, string]>> = {
  from: ['from', 'must be a time or a day from 1970 on, on a quarter hour'],
  to: ['to', 'must be later than from, on a quarter hour'],
  too_long: ['to', 'must be at most 32 days after from'],
  future: ['to', 'must not be in the future'],
  too_much: ['energy_wh', 'is more than 4 kW carry from begin to end'],
};

function correct({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const body = callOf(message).body as CorrectionBody;
  const { device_id: deviceId, energy_wh: energyWh, clear = false, from, to, why } = body;
  if (clear === (energyWh !== undefined)) {
    return withAnswer(message, invalidBody('energy_wh', 'or clear: true is needed, not both'));
  }
  const wish = { deviceId, from, to, energyWh: energyWh ?? null, why: why.trim() };
  const outcome = energy.correct(wish, callerOf(message).user.username);
  switch (outcome.kind) {
    case 'corrected': {
      const payload: CorrectionAnswer = { id: outcome.id };
      return withAnswer(message, answer(payload));
    }
    case 'unknown_device':
      return withAnswer(message, refuse('not_found', { detail: 'There is no plug with this id.' }));
    case 'too_old':
      return withAnswer(message, refuse('conflict', { detail: TOO_OLD }));
    case 'invalid':
      return withAnswer(message, invalidBody(...FAULTS[outcome.fault]));
  }
}

function corrections({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { undone } = callOf(message).query as CorrectionsQuery;
  const known = energy.corrections().filter(({ undoneAtS }) => undone || undoneAtS === null);
  return withAnswer(message, answer(known.map(correctionJson)));
}

function undoCorrection({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const id = Number(callOf(message).params['id']);
  switch (energy.undoCorrection(id, callerOf(message).user.username).kind) {
    case 'undone':
      return withAnswer(message, answer({ message: 'Undone' }));
    case 'unknown_correction':
      return withAnswer(
        message,
        refuse('not_found', { detail: 'There is no correction with this id.' }),
      );
    case 'too_old':
      return withAnswer(message, refuse('conflict', { detail: TOO_OLD }));
  }
}

function invalidBody(name: string, fault: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['body', name], msg: `${name} ${fault}` }] });
}

const RANGE = {
  from: 'must be a day or a time of the years 1 to 9998, before to or, without one, before now',
  to: 'must be a day or a time of the years 1 to 9998',
};
const REPORT_RANGE = {
  from: 'must be a day of the years 2 to 9998, before to and at most 40 years before it',
  to: 'must be a day of the years 2 to 9998',
};

function current({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(currentJson(energy.current())));
}

function summary({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(summaryJson(energy.summary())));
}

function costs({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyCostsQuery;
  const found = energy.costs({ deviceId, ...rest });
  return withAnswer(message, found.kind === 'costs' ? answer(costsJson(found)) : refusal(found));
}

/** JSON, or with `Accept: text/csv` all points as a stream. */
async function history({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyHistoryQuery;
  const wish: HistoryWish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const pages = energy.historyPages(wish);
    if (pages.kind !== 'pages') return withAnswer(message, refusal(pages));
    return await sendCsv(message, 'energy.csv', historyCsv(pages));
  }
  const found = energy.history(wish);
  return withAnswer(
    message,
    found.kind === 'history' ? answer(historyJson(found)) : refusal(found),
  );
}

/** JSON, or with `Accept: text/csv` each plug's hours as a stream. */
async function report({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { query } = callOf(message);
  const { device_id: deviceId, resolution, language, ...rest } = query as EnergyReportQuery;
  const wish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const lines = energy.reportLines({ ...wish, byDay: resolution === 'day' });
    if (lines.kind !== 'lines') return withAnswer(message, reportRefusal(lines));
    const name = [...new Set([lines.firstDay, lines.lastDay])].join('_');
    return await sendCsv(message, `energy-${name}.csv`, reportCsv(lines, language));
  }
  const found = energy.report(wish);
  return withAnswer(
    message,
    found.kind === 'report' ? answer(reportJson(found)) : reportRefusal(found),
  );
}

async function sendCsv(
  message: ApiMessage,
  name: string,
  pieces: AsyncIterable<string>,
): Promise<null> {
  const response = responseOf(message);
  response.setHeader('Content-Type', 'text/csv; charset=utf-8');
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  await pipeline(Readable.from(pieces), response);
  return null;
}

function reportRefusal(refused: ReportRefusal): Answer {
  switch (refused.kind) {
    case 'bad_date':
      return invalidQuery('date', 'must be a day of the years 2 to 9998');
    case 'bad_range':
      return invalidQuery(refused.field, REPORT_RANGE[refused.field]);
    case 'unknown_device':
      return refusal(refused);
  }
}

function refusal(refused: WishRefusal): Answer {
  switch (refused.kind) {
    case 'unknown_device':
      return refuse('not_found', { detail: 'There is no plug with this id.' });
    case 'unknown_resolution':
      return invalidQuery('resolution', 'must be raw, 5m, hour, day or auto');
    case 'unknown_period':
      return invalidQuery('period', 'must be day, week, month or year');
    case 'bad_range':
      return invalidQuery(refused.field, RANGE[refused.field]);
  }
}

function invalidQuery(name: string, msg: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['query', name], msg }] });
}

/** Whether an `Accept` asks for CSV; a weight of 0 is how it says no (RFC 9110, 12.4.2). */
function takesCsv(accept: string): boolean {
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'text/csv' && !parameters.some((one) => /^q\s*=\s*0(?:\.0*)?$/.test(one));
  });
}

const MWH_PER_KWH = 1_000_000;
const UC_PER_EURO = 100_000_000;
const PERIODS = ['day', 'week', 'month', 'year'];

const kwh = (mwh: number): number => rounded(mwh / MWH_PER_KWH, 3);
const euro = (uc: number): number => rounded(uc / UC_PER_EURO, 2);

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function show(message: ApiMessage, payload: unknown): ApiMessage {
  message.payload = payload;
  return message;
}

/** Each plug now, and how old that is. */
function now({ energy, clock }: Rooms, message: ApiMessage): ApiMessage {
  const { devices, totalPowerW } = energy.current();
  const nowMs = clock.nowMs();
  return show(message, {
    total_power_w: totalPowerW === null ? null : rounded(totalPowerW, 1),
    devices: devices.map((device) => ({
      id: device.deviceId,
      name: device.deviceName,
      power_w: device.powerW,
      today_kwh: device.energyTodayWh === null ? null : rounded(device.energyTodayWh / 1_000, 3),
      is_stale: device.isStale,
      is_online: device.isOnline,
      relay: device.relay,
      age_s: device.atMs === null ? null : Math.max(0, Math.round((nowMs - device.atMs) / 1_000)),
    })),
  });
}

function costsOf({ energy }: Rooms, period: string): Costs | null {
  const found = energy.costs({ period });
  return found.kind === 'costs' ? found : null;
}

const NOTHING = { kwh: null, euro: null } as const;

function glance(rooms: Rooms, message: ApiMessage): ApiMessage {
  const summary = rooms.energy.summary();
  const euros = (uc: number | null): number | null => (uc === null ? null : euro(uc));
  const periods = PERIODS.map((period) => {
    const costs = costsOf(rooms, period);
    // Nothing was booked is not nothing was used.
    if (costs === null || costs.byTariff.length === 0) return [period, NOTHING] as const;
    return [period, { kwh: kwh(costs.energyMwh), euro: euro(costs.costUc) }] as const;
  });
  return show(message, {
    ...Object.fromEntries(periods),
    price_cents: rounded(costsOf(rooms, 'day')?.pricePerKwhCents ?? 0, 1),
    forecast_euro: euros(summary.monthlyCostEstimateUc),
    daily_kwh: summary.avgDailyMwh === null ? null : kwh(summary.avgDailyMwh),
    standby_w: summary.standbyMw === null ? null : summary.standbyMw / 1_000,
    saved_kwh: summary.savedMwhMonth === null ? null : kwh(summary.savedMwhMonth),
  });
}

function standby({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const rows = energy.standby().map(({ deviceId, deviceName: name, standbyMw, yearlyUc }) => ({
    device_id: deviceId,
    name,
    standby_w: standbyMw === null ? null : standbyMw / 1_000,
    year_euro: yearlyUc === null ? null : euro(yearlyUc),
  }));
  return show(message, rows);
}

/** Descriptions of all sensors, and of none for plugs that are gone, a message each, for an `mqtt out` node. */
function announce({ tapo, energy }: Rooms): unknown {
  const now = new Map(energy.current().devices.map((device) => [device.deviceId, device]));
  const plugs = tapo.list().map(({ id, name, model, firmware, deviceNumber }) => {
    const hasVolts = (now.get(id)?.voltageV ?? null) !== null;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(deviceNumber);
    const known = { hasVolts, feedsIn: feedInMwh > 0, isPutRight: storedMwh !== energyMwh };
    return { id, name, model, firmware, ...known };
  });
  const descriptions = [...homeAssistantSensors(plugs), ...homeAssistantFarewells(tapo.goneIds())];
  return [descriptions];
}

/** What the sensors show now, a message each. */
function publishStates({ energy }: Rooms): unknown {
  const states = energy.current().devices.map((device) => {
    const { deviceId: id, isStale } = device;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(device.deviceNumber);
    const isRead = device.atMs !== null;
    return {
      id,
      powerW: isStale ? null : device.powerW,
      voltageV: isStale ? null : device.voltageV,
      currentA: isStale ? null : device.currentA,
      energyMwh: isRead ? energyMwh : null,
      feedInMwh: isRead && feedInMwh > 0 ? feedInMwh : null,
      storedMwh: isRead && storedMwh !== energyMwh ? storedMwh : null,
    };
  });
  return [homeAssistantStates(states)];
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
  'page-now': now,
  'page-glance': glance,
  'page-standby': standby,
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
