import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  answerTo,
  type CorrectionAnswer,
  type CorrectionBody,
  type CorrectionsQuery,
  type EnergyCostsQuery,
  type EnergyHistoryQuery,
  type EnergyReportQuery,
  type EnergyStandby,
  type PriceSlotsBody,
  type RecalculateAnswer,
  type RecalculateBody,
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
  type HistoryQuery,
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
  type Price,
  priceErrors,
  priceInput,
  priceJson,
  type PriceOutcome,
  type QueryRefusal,
  reportCsv,
  reportJson,
  type ReportRefusal,
  slotErrors,
  summaryJson,
  type UnusualHour,
  unusualJson,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  type Declared,
  NodeGuard,
  type NodeStatus,
  operationOf,
  type Operations,
  operationsOf,
  responseOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { type Answer, refuse } from '../lib/http/http.ts';
import {
  FieldReader,
  type Given,
  type StoredNode,
  type Words,
} from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import type { PlugSample } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { WORDS } from '../lib/words/words.ts';
import {
  dashboard,
  deviceTypes,
  cumulativeOfAll,
  hourly,
  oneSmartDevice,
  periodStats,
  plugCost,
  plugCumulative,
  plugHistory,
  powerSummary,
  smartDevices,
} from './app-operations.ts';

interface EnergyConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
}

/**
 * Records a plug's reading; a plug that did not answer gives no reading, and never 0 W.
 * @throws Error for a message that is not the tapo meter's
 */
function record({ energy }: Services, _message: ApiMessage, { payload }: Given): void {
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

/** `GET /api/energy/standby`. */
function standbyByPlug({ energy }: Services, message: ApiMessage): ApiMessage {
  const payload: EnergyStandby = {
    devices: energy.standby().map(({ deviceId, deviceName, standbyMw, yearlyUc }) => ({
      device_id: deviceId,
      device_name: deviceName,
      standby_w: standbyMw === null ? null : standbyMw / 1_000,
      yearly_cost_cents: yearlyUc === null ? null : Math.round(yearlyUc / 1_000_000),
    })),
  };
  return withAnswer(message, answerTo('energy-standby', payload));
}

/** Unusual hours leave by themselves (see below). */
function lookForUnusual({ energy }: Services): void {
  energy.unusual.look();
}

/** One slice: the next tick goes on where more is due. */
function prune({ energy }: Services): void {
  energy.prune();
}

/** The message goes on at the first output; unusual hours leave at the second. */
function rollUp({ energy }: Services, message: ApiMessage): ApiMessage {
  energy.rollUp();
  energy.prune();
  energy.unusual.look();
  return message;
}

const UNKNOWN = 'There is no price with this id.';

function listPrices({ energy }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, answerTo('energy-prices-list', energy.prices.list().map(priceJson)));
}

function addPrice({ energy }: Services, message: ApiMessage): ApiMessage {
  const outcome = energy.prices.create(inputOf(message));
  const added = (changed: Changed): Answer =>
    answerTo('energy-prices-add', changedJson(energy, changed), 201);
  return withAnswer(message, outcomeAnswer(outcome, added));
}

function updatePrice({ energy }: Services, message: ApiMessage): ApiMessage {
  const outcome = energy.prices.update(idOf(message), inputOf(message));
  const updated = (changed: Changed): Answer =>
    answerTo('energy-prices-change', changedJson(energy, changed));
  return withAnswer(message, outcomeAnswer(outcome, updated));
}

function removePrice({ energy }: Services, message: ApiMessage): ApiMessage {
  const { kind } = energy.prices.remove(idOf(message));
  const gone = answerTo('energy-prices-delete', { message: 'Deleted' });
  return withAnswer(message, kind === 'removed' ? gone : refuse('not_found', { detail: UNKNOWN }));
}

async function recalculate({ energy }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { from } = callOf(message).body as RecalculateBody;
  const done = await energy.prices.recalculate(from);
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
  return withAnswer(message, answerTo('energy-prices-recalculate', payload));
}

/**
 * Takes the slots of a request or, where there is none, of the Pi's own flow in the payload.
 * @throws Error for slots of a flow that are not right, naming their places
 */
function putSlots({ energy }: Services, message: ApiMessage): ApiMessage {
  const isOwn = message.req === undefined;
  const { name, slots } = isOwn
    ? slotsIn(message.payload)
    : (callOf(message).body as PriceSlotsBody);
  const inputs = slots.map(({ price_per_kwh_cents: pricePerKwhCents, from, to }) => ({
    ...{ from, to, pricePerKwhCents },
  }));
  const outcome = energy.prices.putSlots(name, inputs);
  if (isOwn) {
    if (outcome.kind === 'invalid') throw new Error(faultsText(slotErrors(outcome.faults)));
    message.payload = changedJson(energy, outcome);
    return message;
  }
  const given =
    outcome.kind === 'price'
      ? answerTo('energy-prices-slots', changedJson(energy, outcome))
      : refuse('invalid', { errors: slotErrors(outcome.faults) });
  return withAnswer(message, given);
}

/** Slots a flow sent; one of another shape is reported as invalid. */
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

/** With the hours that already have a cost, which this change leaves as they are. */
function changedJson({ prices }: Services['energy'], { price, before }: Changed) {
  return { ...priceJson(price), ...costedJson(prices.costed(price, before)) };
}

interface Changed {
  readonly price: Price;
  readonly before?: Price;
}

function idOf(message: ApiMessage): number {
  return Number(callOf(message).params['id']);
}

function inputOf(message: ApiMessage): ReturnType<typeof priceInput> {
  return priceInput(callOf(message).body as Readonly<Record<string, unknown>>);
}

function outcomeAnswer(outcome: PriceOutcome, done: (changed: Changed) => Answer): Answer {
  switch (outcome.kind) {
    case 'price':
      return done(outcome);
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

function correct({ energy }: Services, message: ApiMessage): ApiMessage {
  const body = callOf(message).body as CorrectionBody;
  const { device_id: deviceId, energy_wh: energyWh, clear = false, from, to, why } = body;
  if (clear === (energyWh !== undefined)) {
    return withAnswer(message, invalidBody('energy_wh', 'or clear: true is needed, not both'));
  }
  const input = { deviceId, from, to, energyWh: energyWh ?? null, why: why.trim() };
  const outcome = energy.correct(input, callerOf(message).user.username);
  switch (outcome.kind) {
    case 'corrected': {
      const payload: CorrectionAnswer = { id: outcome.id };
      return withAnswer(message, answerTo('energy-history-correct', payload));
    }
    case 'unknown_device':
      return withAnswer(message, refuse('not_found', { detail: 'There is no plug with this id.' }));
    case 'too_old':
      return withAnswer(message, refuse('conflict', { detail: TOO_OLD }));
    case 'invalid':
      return withAnswer(message, invalidBody(...FAULTS[outcome.fault]));
  }
}

function corrections({ energy }: Services, message: ApiMessage): ApiMessage {
  const { undone } = callOf(message).query as CorrectionsQuery;
  const known = energy.corrections().filter(({ undoneAtS }) => undone || undoneAtS === null);
  return withAnswer(message, answerTo('energy-corrections-list', known.map(correctionJson)));
}

function undoCorrection({ energy }: Services, message: ApiMessage): ApiMessage {
  const id = Number(callOf(message).params['id']);
  switch (energy.undoCorrection(id, callerOf(message).user.username).kind) {
    case 'undone':
      return withAnswer(message, answerTo('energy-corrections-undo', { message: 'Undone' }));
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

function current({ energy }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, answerTo('energy-current', currentJson(energy.current())));
}

function summary({ energy }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, answerTo('energy-summary', summaryJson(energy.summary())));
}

function costs({ energy }: Services, message: ApiMessage): ApiMessage {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyCostsQuery;
  const found = energy.costs({ deviceId, ...rest });
  return withAnswer(
    message,
    found.kind === 'costs' ? answerTo('energy-costs', costsJson(found)) : refusal(found),
  );
}

/** JSON, or with `Accept: text/csv` all points as a stream. */
async function history({ energy }: Services, message: ApiMessage): Promise<unknown> {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyHistoryQuery;
  const query: HistoryQuery = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const pages = energy.histories.pages(query);
    if (pages.kind !== 'pages') return withAnswer(message, refusal(pages));
    return await sendCsv(message, 'energy.csv', historyCsv(pages));
  }
  const found = energy.histories.history(query);
  return withAnswer(
    message,
    found.kind === 'history' ? answerTo('energy-history', historyJson(found)) : refusal(found),
  );
}

/** JSON, or with `Accept: text/csv` each plug's hours as a stream. */
async function report({ energy }: Services, message: ApiMessage): Promise<unknown> {
  const { query } = callOf(message);
  const { device_id: deviceId, resolution, language, ...rest } = query as EnergyReportQuery;
  const asked = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const lines = energy.reports.lines({ ...asked, byDay: resolution === 'day' });
    if (lines.kind !== 'lines') return withAnswer(message, reportRefusal(lines));
    const name = [...new Set([lines.firstDay, lines.lastDay])].join('_');
    return await sendCsv(message, `energy-${name}.csv`, reportCsv(lines, WORDS.of(language).csv));
  }
  const found = energy.reports.report(asked);
  return withAnswer(
    message,
    found.kind === 'report' ? answerTo('energy-report', reportJson(found)) : reportRefusal(found),
  );
}

async function sendCsv(
  message: ApiMessage,
  name: string,
  chunks: AsyncIterable<string>,
): Promise<null> {
  const response = responseOf(message);
  response.setHeader('Content-Type', 'text/csv; charset=utf-8');
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  await pipeline(Readable.from(chunks), response);
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

function refusal(refused: QueryRefusal): Answer {
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
function now({ energy, clock }: Services, message: ApiMessage): ApiMessage {
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

function costsOf({ energy }: Services, period: string): Costs | null {
  const found = energy.costs({ period });
  return found.kind === 'costs' ? found : null;
}

const NOTHING = { kwh: null, euro: null } as const;

function glance(services: Services, message: ApiMessage): ApiMessage {
  const summary = services.energy.summary();
  const euros = (uc: number | null): number | null => (uc === null ? null : euro(uc));
  const periods = PERIODS.map((period) => {
    const costs = costsOf(services, period);
    // Nothing recorded does not mean nothing used.
    if (costs === null || costs.byTariff.length === 0) return [period, NOTHING] as const;
    return [period, { kwh: kwh(costs.energyMwh), euro: euro(costs.costUc) }] as const;
  });
  return show(message, {
    ...Object.fromEntries(periods),
    price_cents: rounded(costsOf(services, 'day')?.pricePerKwhCents ?? 0, 1),
    forecast_euro: euros(summary.monthlyCostEstimateUc),
    daily_kwh: summary.avgDailyMwh === null ? null : kwh(summary.avgDailyMwh),
    standby_w: summary.standbyMw === null ? null : summary.standbyMw / 1_000,
    saved_kwh: summary.savedMwhMonth === null ? null : kwh(summary.savedMwhMonth),
  });
}

function standby({ energy }: Services, message: ApiMessage): ApiMessage {
  const rows = energy.standby().map(({ deviceId, deviceName: name, standbyMw, yearlyUc }) => ({
    device_id: deviceId,
    name,
    standby_w: standbyMw === null ? null : standbyMw / 1_000,
    year_euro: yearlyUc === null ? null : euro(yearlyUc),
  }));
  return show(message, rows);
}

/** A message per sensor for an `mqtt out` node: its description, empty for a gone plug. */
function announce({ tapo, energy }: Services): unknown {
  const now = new Map(energy.current().devices.map((device) => [device.deviceId, device]));
  const plugs = tapo.list().map(({ id, name, model, firmware, deviceNumber }) => {
    const hasVolts = (now.get(id)?.voltageV ?? null) !== null;
    const { energyMwh, feedInMwh, storedMwh } = energy.counters.of(deviceNumber);
    const known = { hasVolts, feedsIn: feedInMwh > 0, isPutRight: storedMwh !== energyMwh };
    return { id, name, model, firmware, ...known };
  });
  const descriptions = [
    ...homeAssistantSensors(plugs),
    ...homeAssistantFarewells(tapo.devices.goneIds()),
  ];
  return [descriptions];
}

/** What the sensors show now, a message each. */
function publishStates({ energy }: Services): unknown {
  const states = energy.current().devices.map((device) => {
    const { deviceId: id, isStale } = device;
    const { energyMwh, feedInMwh, storedMwh } = energy.counters.of(device.deviceNumber);
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

const UNUSUAL: Words = { en: 'unusual consumption', de: 'ungewöhnlicher Verbrauch' };

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'energy-aggregator',
  type: 'balupi-energy-aggregator',
  color: '#a8d5a2',
  config: 'store',
  title: { en: 'energy aggregator', de: 'Energie' },
  about: {
    en: 'Turns readings into energy and costs.',
    de: 'Macht aus Messwerten Energie und Kosten.',
  },
  operations: {
    current: {
      words: { en: 'watts now', de: 'Leistung jetzt' },
      for: 'flow',
      serves: ['energy-current'],
      run: current,
    },
    summary: {
      words: { en: 'sum up', de: 'Überblick' },
      for: 'flow',
      serves: ['energy-summary'],
      run: summary,
    },
    standby: {
      words: { en: 'standby of each plug', de: 'Standby je Steckdose' },
      for: 'flow',
      serves: ['energy-standby'],
      run: standbyByPlug,
    },
    history: {
      words: { en: 'look back', de: 'Verlauf' },
      for: 'flow',
      serves: ['energy-history'],
      run: history,
    },
    costs: {
      words: { en: 'add up the costs', de: 'Kosten zusammenrechnen' },
      for: 'flow',
      serves: ['energy-costs'],
      run: costs,
    },
    report: {
      words: { en: 'any period, compared', de: 'ein Zeitraum, verglichen' },
      for: 'flow',
      serves: ['energy-report'],
      run: report,
    },
    prices: {
      words: { en: 'list tariffs', de: 'Tarife auflisten' },
      for: 'flow',
      serves: ['energy-prices-list'],
      run: listPrices,
    },
    'price-slots': {
      words: { en: 'take prices by the slot', de: 'Preise je Viertelstunde übernehmen' },
      for: 'flow',
      serves: ['energy-prices-slots'],
      run: putSlots,
    },
    'mqtt-sensors': {
      words: {
        en: 'announce the plugs to Home Assistant',
        de: 'Steckdosen bei Home Assistant anmelden',
      },
      for: 'flow',
      run: announce,
    },
    'mqtt-states': {
      words: { en: 'publish what the plugs show', de: 'Werte der Steckdosen veröffentlichen' },
      for: 'flow',
      run: publishStates,
    },
    unusual: {
      words: { en: 'tell of unusual consumption', de: 'ungewöhnlichen Verbrauch melden' },
      for: 'flow',
      outputs: [UNUSUAL],
      run: lookForUnusual,
    },
    record: {
      words: { en: 'record readings', de: 'Messwerte aufzeichnen' },
      for: 'balupi',
      outputs: 0,
      takes: {
        payload: {
          kind: 'json',
          about: {
            en: 'what *tapo meter: read the plugs that are due* sends',
            de: 'was *Steckdosen: fällige Steckdosen lesen* sendet',
          },
        },
      },
      run: record,
    },
    prune: {
      words: { en: 'forget what is too old', de: 'Altes vergessen' },
      for: 'balupi',
      outputs: 0,
      run: prune,
    },
    'roll-up': {
      words: { en: 'write now, forget, tell', de: 'jetzt schreiben, vergessen, melden' },
      for: 'balupi',
      outputs: [{ en: 'after it is written', de: 'nach dem Schreiben' }, UNUSUAL],
      run: rollUp,
    },
    correct: {
      words: { en: 'put the past right', de: 'Vergangenes berichtigen' },
      for: 'balupi',
      serves: ['energy-history-correct'],
      run: correct,
    },
    corrections: {
      words: { en: 'list corrections', de: 'Berichtigungen auflisten' },
      for: 'balupi',
      serves: ['energy-corrections-list'],
      run: corrections,
    },
    'undo-correction': {
      words: { en: 'undo a correction', de: 'eine Berichtigung zurücknehmen' },
      for: 'balupi',
      serves: ['energy-corrections-undo'],
      run: undoCorrection,
    },
    'add-price': {
      words: { en: 'add a tariff', de: 'Tarif hinzufügen' },
      for: 'balupi',
      serves: ['energy-prices-add'],
      run: addPrice,
    },
    'update-price': {
      words: { en: 'change a tariff', de: 'Tarif ändern' },
      for: 'balupi',
      serves: ['energy-prices-change'],
      leaves: ['slots', 'already_costed_hours', 'recalculate_from'],
      run: updatePrice,
    },
    'remove-price': {
      words: { en: 'remove a tariff', de: 'Tarif entfernen' },
      for: 'balupi',
      serves: ['energy-prices-delete'],
      run: removePrice,
    },
    recalculate: {
      words: { en: 'recalculate costs', de: 'Kosten neu berechnen' },
      for: 'balupi',
      serves: ['energy-prices-recalculate'],
      run: recalculate,
    },
    'app-devices': {
      words: { en: 'list the plugs for the apps', de: 'Steckdosen für die Apps auflisten' },
      for: 'balupi',
      serves: ['smart-devices'],
      run: smartDevices,
    },
    'app-power': {
      words: { en: 'watts for the apps', de: 'Leistung für die Apps' },
      for: 'balupi',
      serves: ['smart-devices-power'],
      run: powerSummary,
    },
    'app-dashboard': {
      words: { en: 'one plug for the apps', de: 'eine Steckdose für die Apps' },
      for: 'balupi',
      serves: ['energy-dashboard'],
      run: dashboard,
    },
    'app-types': {
      words: { en: 'what kinds of plugs there are', de: 'welche Arten von Steckdosen es gibt' },
      for: 'balupi',
      serves: ['smart-device-types'],
      run: deviceTypes,
    },
    'app-device': {
      words: { en: 'one plug as a smart device', de: 'eine Steckdose als smartes Gerät' },
      for: 'balupi',
      serves: ['smart-device'],
      run: oneSmartDevice,
    },
    'app-stats': {
      words: { en: 'a period of one plug', de: 'ein Zeitraum einer Steckdose' },
      for: 'balupi',
      serves: ['energy-stats'],
      run: periodStats,
    },
    'app-hourly': {
      words: { en: 'the last hours of one plug', de: 'die letzten Stunden einer Steckdose' },
      for: 'balupi',
      serves: ['energy-hourly'],
      run: hourly,
    },
    'app-cost': {
      words: { en: 'what one plug cost', de: 'was eine Steckdose gekostet hat' },
      for: 'balupi',
      serves: ['energy-cost'],
      run: plugCost,
    },
    'app-growth': {
      words: { en: 'how one plug’s energy grew', de: 'wie die Energie einer Steckdose wuchs' },
      for: 'balupi',
      serves: ['energy-cumulative'],
      run: plugCumulative,
    },
    'app-growth-of-all': {
      words: { en: 'how the energy of all grew', de: 'wie die Energie aller wuchs' },
      for: 'balupi',
      serves: ['energy-cumulative-total'],
      run: cumulativeOfAll,
    },
    'app-history': {
      words: { en: 'the past watts of one plug', de: 'die vergangenen Watt einer Steckdose' },
      for: 'balupi',
      serves: ['smart-device-history'],
      run: plugHistory,
    },
    'page-now': {
      words: { en: 'watts now, for a page', de: 'Leistung jetzt, für eine Seite' },
      for: 'balupi',
      run: now,
    },
    'page-glance': {
      words: { en: 'the household, for a page', de: 'der Haushalt, für eine Seite' },
      for: 'balupi',
      run: glance,
    },
    'page-standby': {
      words: {
        en: 'standby of plugs, for a table',
        de: 'Standby der Steckdosen, für eine Tabelle',
      },
      for: 'balupi',
      run: standby,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it; from {{unusual}} the unusual hour',
      de: 'das Ergebnis, wie die API es gibt; von {{unusual}} die ungewöhnliche Stunde',
    },
    {
      name: 'topic',
      type: 'string',
      en: 'where a message for MQTT goes',
      de: 'wohin eine Nachricht für MQTT geht',
    },
  ],
  details: {
    en: `{{record}} takes the messages of *tapo meter: read the plugs that are due*, one for each plug; one without a reading books nothing. Energy is the trapezoid between readings, kept inside the plug's own counter; a gap is filled from that counter and marked *estimated*, or left uncovered.

What was measured is written by itself every \`BALUPI_ENERGY_COMMIT_SECONDS\`, hours and days with it, whatever the flows do.

{{unusual}} looks at each message whether an hour was out of the ordinary: \`payload\` is \`{device_id, device_name, hour, level, power_w, usual_power_w, margin_w, weeks}\`, where \`level\` is \`high\`, \`low\`, or \`usual\` when it is over. Each plug's last complete hour, and the household's, is held against the median of the same hour of the same weekday in the last eight weeks; nothing is told before there are four such hours. Wire anything behind it: a mail, a push message, a lamp.

{{prune}} drops one small slice of what is older than its retention (\`BALUPI_ENERGY_RAW_RETENTION_DAYS\`, \`BALUPI_ENERGY_HOURLY_RETENTION_DAYS\`) at each message. Without it nothing is dropped, and the database grows with every reading.

{{roll-up}} is all of that at one message, for flows that want to go on once everything is written: the message goes on at the first output, an unusual hour leaves at the second.

{{mqtt-sensors}} and {{mqtt-states}} send messages for an *mqtt out* node: the first the retained descriptions that Home Assistant's MQTT discovery reads, the second the values of power, energy since it was first metered, and where there are any voltage, current and energy fed in. Energy never falls, not by a restart or a correction either; where the past was put right, there is the sensor *Energy with corrections*, which Home Assistant shows once it is asked to. A value that is not known is not sent, and Home Assistant shows it as unavailable after two minutes. The example *Plugs in Home Assistant* has both.

{{price-slots}} takes, without a request, \`payload\` \`{name, slots: [{from, to, price_per_kwh_cents}]}\` from a flow of your own, in the place of what the tariff of that name has in their range; the example *Prices of tomorrow* fetches them from the exchange.

{{report}} answers with a whole calendar period or any days in bars and by plug, next to the period before or a year earlier, and tells what is estimated, corrected or unknown. The page Energy is made of it.

Those **for a page** answer nobody: they put what a gauge, a table or a template of the Dashboard shows into \`payload\`.`,
    de: `{{record}} nimmt die Nachrichten von *Steckdosen: fällige Steckdosen lesen*, eine je Steckdose; eine ohne Messwert bucht nichts. Energie ist das Trapez zwischen den Messwerten, gehalten im Zähler der Steckdose; eine Lücke wird aus diesem Zähler gefüllt und als *geschätzt* markiert oder bleibt unbelegt.

Was gemessen wurde, wird alle \`BALUPI_ENERGY_COMMIT_SECONDS\` von selbst geschrieben, Stunden und Tage mit ihm, was auch immer die Flows tun.

{{unusual}} sieht bei jeder Nachricht nach, ob eine Stunde aus der Reihe fiel: \`payload\` ist \`{device_id, device_name, hour, level, power_w, usual_power_w, margin_w, weeks}\`; \`level\` ist \`high\` (hoch), \`low\` (niedrig) oder \`usual\` (wieder üblich). Die letzte volle Stunde jeder Steckdose und des Haushalts wird am Median derselben Stunde desselben Wochentags in den letzten acht Wochen gemessen; bevor es vier solche Stunden gibt, wird nichts gemeldet. Dahinter passt alles: eine Mail, eine Push-Nachricht, eine Lampe.

{{prune}} löscht bei jeder Nachricht ein kleines Stück dessen, was älter ist als seine Aufbewahrung (\`BALUPI_ENERGY_RAW_RETENTION_DAYS\`, \`BALUPI_ENERGY_HOURLY_RETENTION_DAYS\`). Ohne es wird nichts gelöscht, und die Datenbank wächst mit jeder Messung.

{{roll-up}} ist all das bei einer Nachricht, für Flows, die weitermachen wollen, sobald alles geschrieben ist: die Nachricht geht am ersten Ausgang weiter, eine ungewöhnliche Stunde kommt am zweiten heraus.

{{mqtt-sensors}} und {{mqtt-states}} senden Nachrichten für einen Knoten *mqtt out*: das erste die dauerhaften Beschreibungen, die Home Assistant per MQTT-Discovery liest, das zweite Leistung, Energie seit der ersten Messung und, wo es sie gibt, Spannung, Strom und eingespeiste Energie. Die Energie fällt nie, auch nicht durch einen Neustart oder eine Berichtigung; wo berichtigt wurde, gibt es den Sensor *Energy with corrections*, den Home Assistant erst auf Wunsch zeigt. Ein unbekannter Wert wird nicht gesendet; Home Assistant zeigt ihn nach zwei Minuten als nicht verfügbar. Das Beispiel *Plugs in Home Assistant* hat beides.

{{price-slots}} nimmt ohne Anfrage \`payload\` \`{name, slots: [{from, to, price_per_kwh_cents}]}\` aus dem eigenen Flow und ersetzt, was der Tarif dieses Namens in ihrem Zeitraum hat; das Beispiel *Prices of tomorrow* holt sie von der Börse.

{{report}} antwortet mit einem ganzen Kalenderzeitraum oder beliebigen Tagen, in Balken und nach Steckdose, neben dem Zeitraum davor oder ein Jahr früher, und sagt, was geschätzt, berichtigt oder unbekannt ist. Daraus besteht die Seite Energie.

Die **für eine Seite** antworten niemandem: sie legen in \`payload\`, was eine Anzeige, eine Tabelle oder ein Template des Dashboards zeigt.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

function statusOf({ energy }: Services): NodeStatus {
  const { totalPowerW } = energy.current();
  const text = totalPowerW === null ? '–' : `${totalPowerW.toFixed(1)} W`;
  return { fill: 'green', shape: 'dot', text };
}

/** Node `balupi-energy-aggregator`. */
export default function register(RED: NodeAPI): void {
  function EnergyAggregator(this: Node, config: EnergyConfig): void {
    RED.nodes.createNode(this, config);
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this, () => (config.op === 'record' ? statusOf(services()) : {}));
    let stopListening: (() => void) | null = null;
    const tell = guard.callback((hour: UnusualHour) => {
      const message = { topic: 'unusual', payload: unusualJson(hour) };
      this.send(config.op === 'unusual' ? message : [null, message]);
    });
    const listening =
      <Out>(run: (given: Services, message: ApiMessage) => Out) =>
      (given: Services, message: ApiMessage): Out => {
        stopListening ??= given.energy.unusual.listen(tell);
        return run(given, message);
      };
    const operations: Operations<Services> = {
      ...OPERATIONS,
      unusual: listening(lookForUnusual),
      'roll-up': listening(rollUp),
    };
    guard.onInput((message) => operationOf(operations, config.op, '', fields)(services(), message));
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-energy-aggregator', EnergyAggregator);
}
