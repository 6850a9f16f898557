import assert from 'node:assert/strict';
import type {
  Costs,
  EnergyDevice,
  QueryRefusal,
  UnusualHour,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type {
  History,
  HistoryPages,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/history.ts';
import type {
  Report,
  ReportBar,
  ReportLines,
} from '../../packages/node-red-contrib-balupi-tapo/lib/energy/report.ts';
import type { OnUnusual } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/unusual.ts';
import type { Reading } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import type { Summary } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/summary.ts';
import type { PlugSample } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-energy-aggregator';
const DAY_S = Date.parse('2026-02-22T00:00:00Z') / 1_000;

const INFO = { deviceId: 'd', nickname: 'NAS', model: 'P110', firmware: '1.4.0', mac: 'AA' };
const SAMPLE: PlugSample = {
  id: 'a',
  deviceNumber: 1,
  atMonotonicMs: 5_000,
  outcome: {
    kind: 'reading',
    isContested: false,
    reading: {
      powerMw: 30_500,
      voltageMv: null,
      currentMa: null,
      todayEnergyWh: 120,
      monthEnergyWh: 900,
      isOn: true,
      info: INFO,
    },
  },
};
const HEAD = {
  deviceId: null,
  deviceName: null,
  period: 'day',
  fromS: DAY_S,
  toS: DAY_S + 3_600,
  resolution: 'hour',
} as const;
const BUCKET = {
  startS: DAY_S,
  energyMwh: 30_500,
  coveredS: 3_600,
  avgMw: 30_500,
  minMw: 30_000,
  maxMw: 31_000,
  isEstimated: false,
};
const HISTORY: History = { kind: 'history', ...HEAD, points: [BUCKET] };
const COSTS: Costs = {
  kind: 'costs',
  ...HEAD,
  energyMwh: 2_000_000,
  feedInMwh: 0,
  costUc: 64_000_000,
  pricePerKwhCents: 32,
  baseFeeUc: null,
  byTariff: [{ name: 'Default', energyMwh: 2_000_000, costUc: 64_000_000 }],
};
const SUMMARY: Summary = {
  feedInMwhMonth: null,
  totalDevices: 1,
  totalPowerW: 30.5,
  avgDailyMwh: null,
  monthlyCostEstimateUc: null,
  monthToDateUc: null,
  standbyMw: null,
  nasState: null,
  nasAsleepSecondsToday: 5_400,
  savedMwhMonth: null,
  savedUcMonth: null,
};
const UNUSUAL: UnusualHour = {
  deviceId: 'a',
  deviceName: 'NAS',
  hourStartS: DAY_S,
  level: 'high',
  powerMw: 260_000,
  usualMw: 40_000,
  marginMw: 10_000,
  basis: 6,
};
const PLUG: EnergyDevice = {
  id: 'a',
  number: 1,
  name: 'NAS',
  role: 'nas',
  addedAtMs: 0,
  isOnline: true,
};
const BAR: ReportBar = {
  number: 0,
  startS: DAY_S,
  endS: DAY_S + 3_600,
  energyMwh: 30_500,
  costUc: 976_000,
  estimatedMwh: 500,
  feedInMwh: 0,
  isCorrected: false,
  coveredS: 3_600,
  elapsedS: 3_600,
  compared: { energyMwh: null, costUc: null },
  ofDevices: [30_500],
};
const REPORT: Report = {
  kind: 'report',
  device: null,
  span: { kind: 'span', period: 'day', unit: 'hour', fromS: DAY_S, toS: DAY_S + 86_400 },
  firstS: DAY_S,
  total: { energyMwh: 30_500, costUc: 976_000 },
  estimatedMwh: 500,
  feedInMwh: 0,
  coveredS: 3_600,
  elapsedS: 3_600,
  baseFeeUc: 0,
  co2G: null,
  tariffs: [{ priceId: 0, name: 'Default', energyMwh: 30_500, costUc: 976_000 }],
  compared: null,
  bars: [BAR],
  devices: [
    {
      device: PLUG,
      isForgotten: false,
      feedInMwh: 0,
      isEstimated: true,
      isCorrected: false,
      energyMwh: 30_500,
      costUc: 976_000,
      coveredS: 3_600,
      compared: null,
    },
  ],
  curveStepS: 300,
  curves: [{ deviceId: 'a', points: [{ startS: DAY_S, avgMw: 30_500 }] }],
};
const WRONG: readonly (readonly [QueryRefusal, number, string])[] = [
  [{ kind: 'unknown_device' }, 404, 'not_found'],
  [{ kind: 'unknown_period' }, 422, 'invalid'],
  [{ kind: 'bad_range', field: 'from' }, 422, 'invalid'],
];

describe('The node balupi-energy-aggregator', () => {
  const open = stages();
  const opened = (op: string, energy: FakeServices['energy']): Promise<Stage> =>
    open({ type, op, services: { energy: energy ?? {} } });

  describe('recording', () => {
    const recorded: Reading[] = [];
    const energy: FakeServices['energy'] = {
      record: (readings) => recorded.push(...readings),
      current: () => ({ devices: [], totalPowerW: 30.5 }),
    };
    beforeEach(() => {
      recorded.length = 0;
    });

    it('books what the tapo meter sends, and shows the watts', async () => {
      const stage = await opened('record', energy);
      await stage.send({ payload: SAMPLE });
      assert.partialDeepStrictEqual(recorded, [
        { deviceNumber: 1, monotonicMs: 5_000, powerMw: 30_500, todayWh: 120, relay: 'on' },
      ]);
      assert.deepEqual(stage.statuses, [{ fill: 'green', shape: 'dot', text: '30.5 W' }]);
    });

    it('books nothing for a plug that did not answer', async () => {
      const stage = await opened('record', energy);
      const outcome = { kind: 'unreachable', detail: 'no answer' };
      await stage.send({ payload: { ...SAMPLE, outcome } });
      assert.deepEqual([recorded.length, stage.caught.length], [0, 0]);
    });

    for (const payload of [undefined, null, 'on', { powerMw: 5 }]) {
      it(`says where to wire it when the payload is ${JSON.stringify(payload)}`, async () => {
        const stage = await opened('record', energy);
        await stage.send({ payload });
        assert.match(stage.caught[0]?.error.message ?? '', /wire record behind read the plugs/);
        assert.equal(recorded.length, 0);
      });
    }
  });

  it('writes, forgets and looks for the unusual at one message where it is to do all, and passes it on', async () => {
    const done: string[] = [];
    const stage = await opened('roll-up', {
      rollUp: () => done.push('rolled up'),
      prune: () => {
        done.push('pruned');
        return false;
      },
      unusual: { look: () => done.push('looked'), listen: () => () => undefined },
    });
    await stage.send({ topic: 'minute' });
    assert.deepEqual(done, ['rolled up', 'pruned', 'looked']);
    assert.deepEqual(
      stage.out.map((messages) => messages.map(({ topic }) => topic)),
      [['minute'], [], [], []],
    );
  });

  it('forgets a slice of what is too old at a message, and sends nothing on', async () => {
    let slices = 0;
    const prune = (): boolean => {
      slices += 1;
      return true;
    };
    const stage = await opened('prune', { prune });
    await stage.send();
    assert.deepEqual([slices, stage.out.flat().length], [1, 0]);
  });

  for (const [op, output] of [
    ['unusual', 0],
    ['roll-up', 1],
  ] as const) {
    it(`tells of unusual consumption at output ${output + 1} of ${op}, until the flow ends`, async () => {
      await tellsOfUnusual(op, output);
    });
  }

  async function tellsOfUnusual(op: string, output: number): Promise<void> {
    const listeners = new Set<OnUnusual>();
    const stage = await opened(op, {
      rollUp: () => undefined,
      prune: () => false,
      unusual: {
        look: () => {
          for (const listener of listeners) listener(UNUSUAL);
        },
        listen: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
    });
    await stage.send();
    await stage.send();
    assert.equal(listeners.size, 1);
    assert.equal(stage.out[output]?.filter(({ topic }) => topic === 'unusual').length, 2);
    assert.partialDeepStrictEqual(stage.out[output][0], {
      topic: 'unusual',
      payload: { device_id: 'a', level: 'high', power_w: 260, usual_power_w: 40, weeks: 6 },
    });
    await stage.endFlows();
    assert.equal(listeners.size, 0);
  }

  it('tells what the plugs draw now', async () => {
    const stage = await opened('current', { current: () => ({ devices: [], totalPowerW: null }) });
    assert.deepEqual(await answerOf(stage, 'energy-current'), { devices: [], total_power_w: null });
  });

  it('tells the history', async () => {
    let given: unknown = null;
    const history = (query: unknown): History => {
      given = query;
      return HISTORY;
    };
    const stage = await opened('history', { histories: { history } });
    const query = { device_id: 'a', period: 'day', resolution: 'auto' };
    const payload = await answerOf(stage, 'energy-history', { query });
    assert.partialDeepStrictEqual(payload, { resolution: 'hour', data: [{ energy_wh: 30.5 }] });
    assert.deepEqual(given, { deviceId: 'a', period: 'day', resolution: 'auto' });
  });

  it('streams the history as CSV to who wants that', async () => {
    const page = async function* () {
      yield await Promise.resolve([BUCKET]);
    };
    const pages = (): HistoryPages => ({ kind: 'pages', ...HEAD, pages: page() });
    const stage = await opened('history', { histories: { pages } });
    for (const no of ['text/csv;q=0, application/json', 'application/json, text/csv ; q=0.00']) {
      const plain = await stage.ask({}, { headers: { Accept: no } });
      assert.doesNotMatch(plain.headers.get('content-type') ?? '', /csv/, no);
    }
    const { payload, headers } = await stage.ask({}, { headers: { Accept: 'text/csv;q=0.1' } });
    assert.equal(headers.get('content-type'), 'text/csv; charset=utf-8');
    assert.match(headers.get('content-disposition') ?? '', /^attachment; filename="energy\.csv"$/);
    const [head, line] = String(payload).split('\r\n');
    assert.match(head ?? '', /^timestamp,avg_power_w,/);
    assert.equal(line, '2026-02-22T00:00:00Z,30.5,31,30,30.5,3600,false,measured,0');
  });

  it('reports of a period', async () => {
    let given: unknown = null;
    const report = (query: unknown): Report => {
      given = query;
      return REPORT;
    };
    const stage = await opened('report', { reports: { report } });
    const query = { device_id: 'a', period: 'day', date: '2026-02-22', compare: 'year' };
    const payload = await answerOf(stage, 'energy-report', { query });
    assert.partialDeepStrictEqual(payload, {
      unit: 'hour',
      total: { energy_wh: 30.5, estimated_wh: 0.5, co2_g: null },
      buckets: [{ energy_wh: 30.5, devices_wh: [30.5], compared: { energy_wh: null } }],
      devices: [{ device_id: 'a', device_name: 'NAS', forgotten: false }],
      power: [{ device_id: 'a', points: [{ avg_power_w: 30.5 }] }],
    });
    assert.deepEqual(given, {
      deviceId: 'a',
      period: 'day',
      date: '2026-02-22',
      compare: 'year',
    });
  });

  it('streams the hours of a period as CSV, in a file named after it', async () => {
    const pages = async function* (): AsyncGenerator<[]> {
      yield await Promise.resolve([]);
    };
    const days = { firstDay: '2026-02-01', lastDay: '2026-02-28' };
    const query = { resolution: 'hour', language: 'en' };
    const lines = (): ReportLines => ({ kind: 'lines', ...days, pages: pages() });
    const stage = await opened('report', { reports: { lines } });
    const { payload, headers } = await stage.ask({ query }, { headers: { Accept: 'text/csv' } });
    assert.equal(
      headers.get('content-disposition'),
      'attachment; filename="energy-2026-02-01_2026-02-28.csv"',
    );
    assert.match(String(payload), /^local_time,utc,/);
  });

  for (const [refusal, status, code] of [
    [{ kind: 'unknown_device' }, 404, 'not_found'],
    [{ kind: 'bad_date' }, 422, 'invalid'],
    [{ kind: 'bad_range', field: 'to' }, 422, 'invalid'],
  ] as const) {
    it(`refuses a report with ${refusal.kind} by ${status}, and its export`, async () => {
      const no = () => refusal;
      const stage = await opened('report', { reports: { report: no, lines: no } });
      assert.equal(await codeOf(stage, 'energy-report', {}, status), code);
      const csv = await stage.ask({}, { headers: { Accept: 'text/csv' } });
      assert.equal(csv.status, status);
    });
  }

  it('tells the costs', async () => {
    const stage = await opened('costs', { costs: () => COSTS });
    const payload = await answerOf(stage, 'energy-costs');
    assert.partialDeepStrictEqual(payload, { total_kwh: 2, cost_cents: 64 });
  });

  for (const [refusal, status, code] of WRONG) {
    it(`refuses ${refusal.kind} with ${status}, for history, its export and costs`, async () => {
      const no = () => refusal;
      const history = await opened('history', { histories: { history: no, pages: no } });
      assert.equal(await codeOf(history, 'energy-history', {}, status), code);
      const csv = await history.ask({}, { headers: { Accept: 'text/csv' } });
      assert.equal(csv.status, status);
      const costs = await opened('costs', { costs: no });
      assert.equal(await codeOf(costs, 'energy-costs', {}, status), code);
    });
  }

  it('sums up, and says unknown or null for what is not known', async () => {
    const stage = await opened('summary', { summary: () => SUMMARY });
    const payload = await answerOf(stage, 'energy-summary');
    const known = { nas_state: 'unknown', avg_daily_kwh: null, nas_asleep_hours_today: 1.5 };
    assert.partialDeepStrictEqual(payload, known);
  });

  it('tells the standby of each plug and its price, and null for a plug that is new', async () => {
    const plugs = [
      { deviceId: 'a', deviceName: 'Fridge', standbyMw: 1_900, yearlyUc: 564_220_000 },
      { deviceId: 'b', deviceName: 'New', standbyMw: null, yearlyUc: null },
    ];
    const stage = await opened('standby', { standby: () => plugs });
    assert.deepEqual(await answerOf(stage, 'energy-standby'), {
      devices: [
        { device_id: 'a', device_name: 'Fridge', standby_w: 1.9, yearly_cost_cents: 564 },
        { device_id: 'b', device_name: 'New', standby_w: null, yearly_cost_cents: null },
      ],
    });
  });
});
