import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Entry } from '../lib/activity/activity.ts';
import {
  type ActivityAnswer,
  type ActivityEntry,
  type ActivityQuery,
  answerTo,
  type Care,
  type Doctor,
  type Health,
  type SystemStatus,
} from '../lib/api/api.ts';
import type { Counted } from '../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  type Declared,
  NodeGuard,
  operationOf,
  operationsOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { isoSeconds, plainAnswer, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import { type Said, said, WORDS } from '../lib/words/words.ts';

/** `GET /api/activity`: an admin's all, anybody else's what is everybody's and their own. */
function listActivity({ activity, accounts }: Services, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const { kind, days, before, limit } = callOf(message).query as ActivityQuery;
  const page = activity.list({
    reader: { userId: caller.user.id, isAdmin: accounts.isAdmin(caller) },
    kind: kind ?? null,
    beforeId: before ?? null,
    ...{ days, limit },
  });
  const payload: ActivityAnswer = {
    entries: page.entries.map(wire),
    next_before: page.nextBeforeId,
  };
  return withAnswer(message, answerTo('activity', payload));
}

/** Fields left out of an entry that has no value for them. */
const UNTOLD: Required<Entry['facts']> = {
  ...{ cause: null, sleepState: null, energyMwh: null, costUc: null },
  ...{ path: null, conflictPath: null, what: null, files: null, sizeBytes: null, detail: null },
  ...{ deviceId: null, deviceName: null, address: null },
};

function wire({ id, kind, atMs, endedAtMs, username, facts }: Entry): ActivityEntry {
  const { energyMwh, costUc, ...told } = { ...UNTOLD, ...facts };
  return {
    id: id ?? 0,
    kind,
    at: isoSeconds(atMs),
    ended_at: endedAtMs === null ? null : isoSeconds(endedAtMs),
    username,
    cause: told.cause,
    sleep_state: told.sleepState,
    energy_wh: energyMwh === null ? null : energyMwh / 1_000,
    cost_cents: costUc === null ? null : Math.round(costUc / 10_000) / 100,
    path: told.path,
    conflict_path: told.conflictPath,
    what: told.what,
    files: told.files,
    size_bytes: told.sizeBytes,
    detail: told.detail,
    device_id: told.deviceId,
    device_name: told.deviceName,
    address: told.address,
  };
}

interface SystemConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
}

/** The content type Prometheus's text format is known by (exposition format 0.0.4). */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

function health({ system }: Services, message: ApiMessage): ApiMessage {
  const report = system.health();
  const payload: Health = {
    status: report.status,
    version: report.version,
    service: 'balupi',
    cache_enabled: true,
    energy_enabled: true,
    api_version: report.apiVersion,
    min_api_version: report.minApiVersion,
    hostname: report.hostname,
    checks: report.checks,
  };
  return withAnswer(message, answerTo('health', payload));
}

function load({ system }: Services, message: ApiMessage): ApiMessage {
  const last = system.load();
  if (last === null) {
    const detail = 'The Pi has not looked at itself yet. Try again in a moment.';
    return withAnswer(message, refuse('restarting', { detail, retryAfterSeconds: 1 }));
  }
  const payload: SystemStatus = {
    cpu_percent: last.cpuPercent,
    cpu_temp_celsius: last.cpuTempCelsius,
    temperature_c: last.cpuTempCelsius,
    hostname: system.hostname,
    memory_total_mb: last.memoryTotalMb,
    memory_used_mb: last.memoryUsedMb,
    memory_percent: last.memoryPercent,
    disk_total_gb: last.diskTotalGb,
    disk_used_gb: last.diskUsedGb,
    disk_percent: last.diskPercent,
    uptime_seconds: last.uptimeSeconds,
    load_avg: [...last.loadAvg],
  };
  return withAnswer(message, answerTo('system-status', payload));
}

function metrics(services: Services, message: ApiMessage): ApiMessage {
  return withAnswer(
    message,
    plainAnswer(metricsText(services), 200, { 'Content-Type': METRICS_TYPE }),
  );
}

/** What a page calls the checks. */
const CHECK_WORDS: Readonly<Record<string, Said>> = {
  queue_db: said`[[queueDatabase]]`,
  cache_db: said`[[cacheDatabase]]`,
  energy_db: said`[[energyDatabase]]`,
  nas: said`[[nas]]`,
  clock: said`[[clock]]`,
  disk: said`[[disk]]`,
  memory: said`[[memory]]`,
  uploads: said`[[uploads]]`,
  backup: said`[[backup]]`,
  flows: said`[[flows]]`,
  update: said`[[update]]`,
  missing_flows: said`[[endpoints]]`,
  changed_flows: said`[[changedFlows]]`,
  palette: said`[[nodesOfOthers]]`,
  dns: said`[[nameOfTheNas]]`,
};
const STATE_WORDS: Readonly<Record<string, Said>> = {
  ok: said`[[allRight]]`,
  failing: said`[[failing]]`,
  awake: said`[[awake]]`,
  asleep: said`[[asleep]]`,
  unreachable: said`[[doesNotAnswer]]`,
  never_seen: said`[[neverSeen]]`,
  nas_storage_missing: said`[[itsStorageIsMissing]]`,
  clock_unsynced: said`[[notSet]]`,
  low: said`[[nearlyFull]]`,
  full: said`[[full]]`,
  busy: said`[[short]]`,
  lost: said`[[lost]]`,
  found: said`[[foundAgain]]`,
  strangers: said`[[unknownFiles]]`,
  set_aside: said`[[setAside]]`,
  damaged: said`[[damaged]]`,
  left_out: said`[[leftOut]]`,
  off: said`[[notSetUp]]`,
  not_yet: said`[[noneYet]]`,
  old: said`[[tooLongAgo]]`,
  failed: said`[[didNotWork]]`,
  not_mounted: said`[[itsDiskIsMissing]]`,
  trial: said`[[onTrial]]`,
  available: said`[[updateReady]]`,
  safe_mode: said`[[safeMode]]`,
  missing: said`[[someAreMissing]]`,
  slow: said`[[slow]]`,
};

/** A row of a page's table for each check. */
function pageChecks({ system }: Services, message: ApiMessage): ApiMessage {
  const { checks } = system.health();
  message.payload = Object.entries(checks).map(([name, result]) => ({
    check: CHECK_WORDS[name] ?? name,
    state: STATE_WORDS[String(result)] ?? String(result),
  }));
  return message;
}

async function doctor({ system }: Services, message: ApiMessage): Promise<ApiMessage> {
  const findings = WORDS.spoken('en', await system.doctor()) as Doctor['findings'];
  const payload: Doctor = { findings };
  return withAnswer(message, answerTo('system-doctor', payload));
}

/** `GET /api/system/care`. */
function care({ system }: Services, message: ApiMessage): ApiMessage {
  const { version, isOnTrial, newer, backups } = system.care();
  const payload: Care = {
    ...{ version, newer, on_trial: isOnTrial },
    backups: backups.map(({ to, problem, made }) => ({
      ...{ to, problem },
      made_at: made?.at ?? null,
      where: made?.where ?? null,
      size_bytes: made?.sizeBytes ?? null,
    })),
  };
  return withAnswer(message, answerTo('system-care', payload));
}

const LEVEL_MARKS = { ok: '✓', warn: '⚠', fail: '✗' } as const;

/** A row of a page's table for each finding, in words that are marked for its reader. */
async function pageDoctor({ system }: Services, message: ApiMessage): Promise<ApiMessage> {
  const findings = await system.doctor();
  const pageRows = findings.map(({ level, subject, found, advice }) => ({
    ...{ found, advice },
    subject: said`${LEVEL_MARKS[level]} ${subject as Said}`,
  }));
  return withAnswer(message, plainAnswer(pageRows));
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'balupi-system',
  type: 'balupi-system',
  color: '#d9d9d9',
  config: 'store',
  title: { en: 'system', de: 'System' },
  about: { en: 'How the Pi itself is.', de: 'Wie es dem Pi selbst geht.' },
  operations: {
    health: {
      words: { en: 'run the checks', de: 'Prüfungen ausführen' },
      for: 'flow',
      serves: ['health'],
      run: health,
    },
    load: {
      words: { en: 'how busy the Pi is', de: 'Auslastung des Pi' },
      for: 'flow',
      serves: ['system-status'],
      run: load,
    },
    doctor: {
      words: { en: 'ask the doctor', de: 'den Doktor fragen' },
      for: 'flow',
      serves: ['system-doctor'],
      run: doctor,
    },
    activity: {
      words: { en: 'what happened', de: 'was geschah' },
      for: 'flow',
      serves: ['activity'],
      fieldWords: {
        kind: {
          label: { en: 'Kind', de: 'Art' },
          about: { en: 'one kind alone, such as `conflict`', de: 'nur eine Art, etwa `conflict`' },
        },
        days: {
          label: { en: 'Days', de: 'Tage' },
          about: {
            en: 'only entries of the last days, as many as this',
            de: 'nur Einträge der letzten Tage, so viele wie hier',
          },
        },
        before: {
          label: { en: 'Older than', de: 'Älter als' },
          about: {
            en: 'only what is older than the entry of this id',
            de: 'nur was älter ist als der Eintrag mit dieser Id',
          },
        },
        limit: {
          label: { en: 'At most', de: 'Höchstens' },
          about: { en: 'how many entries at most', de: 'wie viele Einträge höchstens' },
        },
      },
      run: listActivity,
    },
    care: {
      words: { en: 'backups and updates', de: 'Backups und Updates' },
      for: 'flow',
      serves: ['system-care'],
      run: care,
    },
    metrics: {
      words: { en: 'write metrics', de: 'Messwerte für Prometheus' },
      for: 'flow',
      serves: ['metrics'],
      run: metrics,
    },
    'page-checks': {
      words: { en: 'the checks, for a table', de: 'die Prüfungen, für eine Tabelle' },
      for: 'balupi',
      run: pageChecks,
    },
    'page-doctor': {
      words: {
        en: 'the doctor’s findings, for a table',
        de: 'die Befunde des Doktors, für eine Tabelle',
      },
      for: 'balupi',
      serves: ['system-doctor'],
      run: pageDoctor,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array, string',
      en: 'the outcome, as the API gives it; of the tables an array of rows; of {{metrics}} a text',
      de: 'das Ergebnis, wie die API es gibt; bei den Tabellen ein Array von Zeilen; bei {{metrics}} ein Text',
    },
  ],
  details: {
    en: `{{health}} looks at this moment and asks nobody outside the process.

{{load}} gives the last look taken in the background.

{{metrics}} answers in the text format of Prometheus.

{{page-checks}} answers nobody: it puts a row for each check into \`payload\`, for a page of the Dashboard.

{{doctor}} answers an admin with what \`balupi doctor\` finds. {{page-doctor}} puts the same into \`payload\` as rows, for the page that asked.

{{activity}} gives the log of the last 90 days: to an admin all of it, to others what is everybody’s and their own.`,
    de: `{{health}} sieht in diesem Augenblick nach und fragt niemanden außerhalb des Prozesses.

{{load}} gibt den letzten Blick aus dem Hintergrund.

{{metrics}} antwortet in dessen Textformat.

{{page-checks}} antwortet niemandem: es legt eine Zeile je Prüfung in \`payload\`, für eine Seite des Dashboards.

{{doctor}} antwortet einem Admin mit dem, was \`balupi doctor\` findet. {{page-doctor}} legt dasselbe als Zeilen in \`payload\`, für die Seite, die gefragt hat.

{{activity}} gibt das Protokoll der letzten 90 Tage: einem Admin alles, anderen was alle angeht und was ihres ist.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

/** Node `balupi-system`. */
export default function register(RED: NodeAPI): void {
  function SystemNode(this: Node, config: SystemConfig): void {
    RED.nodes.createNode(this, config);
    const fields = new FieldReader(RED, this, DECLARATION, config);
    new NodeGuard(this).onInput((message) =>
      operationOf(
        OPERATIONS,
        config.op,
        '',
        fields,
      )(servicesBehind(RED.nodes.getNode(config.store)), message),
    );
  }
  RED.nodes.registerType('balupi-system', SystemNode);
}

interface Value {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly values: readonly Value[];
}

/** An unknown value gets no line: a zero would be a lie. */
type Reading = number | null | readonly Value[];

function gauge(name: string, help: string, reading: Reading): Metric {
  return { name: `balupi_${name}`, help, type: 'gauge', values: valuesOf(reading) };
}

function counter(name: string, help: string, reading: Reading): Metric {
  return { name: `balupi_${name}_total`, help, type: 'counter', values: valuesOf(reading) };
}

function valuesOf(reading: Reading): readonly Value[] {
  if (reading === null) return [];
  return typeof reading === 'number' ? [{ value: reading }] : reading;
}

function powerMetrics({ energy }: Services): readonly Metric[] {
  const { devices, totalPowerW } = energy.current();
  const fresh = devices.flatMap((device) =>
    device.powerW === null || device.isStale
      ? []
      : [{ labels: labelsOf(device), value: device.powerW }],
  );
  return [
    gauge(
      'plug_info',
      'Always 1; the names of a plug, which may change, next to its id, which never does.',
      devices.map((device) => ({ labels: namesOf(device), value: 1 })),
    ),
    gauge('plug_power_watts', 'Power of a plug.', fresh),
    gauge('power_watts', 'Power of all plugs.', totalPowerW),
    gauge(
      'plug_online',
      '1 while a plug is read.',
      devices.map((device) => ({ labels: labelsOf(device), value: device.isOnline ? 1 : 0 })),
    ),
  ];
}

/**
 * Counters never fall: not at a restart, not when the past is corrected, not by prices below zero.
 * What is stored now is a separate gauge.
 */
function energyMetrics({ energy }: Services): readonly Metric[] {
  const plugs = energy.current().devices.map((device) => {
    return { labels: labelsOf(device), counted: energy.counters.of(device.deviceNumber) };
  });
  const wattHours = (of: (counted: Counted) => number): readonly Value[] =>
    plugs.map(({ labels, counted }) => ({ labels, value: of(counted) / 1_000 }));
  const { costUc, creditUc, storedUc } = energy.counters.cost;
  const cents = (uc: number): number => uc / 1_000_000;
  return [
    counter(
      'plug_energy_watt_hours',
      'Energy a plug used since it was first metered.',
      wattHours(({ energyMwh }) => energyMwh),
    ),
    counter(
      'plug_feed_in_watt_hours',
      'Energy fed in through a plug since then.',
      wattHours(({ feedInMwh }) => feedInMwh).filter(({ value }) => value > 0),
    ),
    gauge(
      'plug_stored_watt_hours',
      'Energy a plug used as it is stored now, put right where somebody did.',
      wattHours(({ storedMwh }) => storedMwh),
    ),
    counter('energy_cost_cents', 'Cost of all plugs since metering began.', cents(costUc)),
    counter(
      'energy_credit_cents',
      'What prices below zero gave back; not taken off the cost.',
      cents(creditUc),
    ),
    gauge(
      'energy_stored_cost_cents',
      'Cost less credit as it is stored now, put right and recalculated where somebody did.',
      cents(storedUc),
    ),
  ];
}

/** Only what never changes: a label with another value starts another series. */
function labelsOf({ deviceId }: { deviceId: string }) {
  return { device: deviceId };
}

function namesOf({ deviceId, deviceName }: { deviceId: string; deviceName: string }) {
  return { device: deviceId, name: deviceName };
}

function cacheMetrics({ cache }: Services): readonly Metric[] {
  const stats = cache.stats();
  const { fileCount, totalBytes, hits, misses, evictions, nasWakesAvoided } = stats;
  const avoided = 'Times a sleeping NAS would have been woken for what was answered from here.';
  return [
    gauge('cache_files', 'Kept copies.', fileCount),
    gauge('cache_bytes', 'Bytes of copies.', totalBytes),
    counter('cache_hits', 'Reads served from a copy.', hits),
    counter('cache_misses', 'Reads that needed the NAS.', misses),
    counter('cache_hit_bytes', 'Bytes served from copies.', stats.hitBytes),
    counter('cache_miss_bytes', 'Bytes that needed the NAS.', stats.missBytes),
    counter(
      'cache_prefetched_files',
      'Copies fetched before anybody asked.',
      stats.prefetchedFiles,
    ),
    counter('cache_prefetched_bytes', 'Their bytes.', stats.prefetchedBytes),
    counter('cache_prefetched_used_files', 'Those of them that were read.', stats.usedFiles),
    counter('cache_prefetched_used_bytes', 'Their bytes.', stats.usedBytes),
    counter('cache_evictions', 'Copies given up.', evictions),
    counter('nas_wakes_avoided', avoided, nasWakesAvoided),
  ];
}

function queueMetrics({ upload }: Services): readonly Metric[] {
  return [
    gauge('upload_queue_files', 'Uploads the NAS does not have yet.', upload.queuedCount()),
    gauge('upload_queue_bytes', 'Their bytes.', upload.queuedBytes()),
  ];
}

function machineMetrics({ nas, system }: Services): readonly Metric[] {
  const load = system.load();
  return [
    gauge('nas_awake', '1 while the NAS is awake.', nas.presence.state.awake ? 1 : 0),
    gauge('cpu_percent', 'Load of the Pi.', load?.cpuPercent ?? null),
    gauge('cpu_celsius', 'Temperature of the Pi.', load?.cpuTempCelsius ?? null),
    gauge('process_memory_bytes', 'Memory of this process.', process.memoryUsage.rss()),
  ];
}

/** Label values may hold anything; the format wants these three escaped (exposition format 0.0.4). */
function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function line(name: string, { labels, value }: Value): string {
  const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

/** Everything there is to count, in the text format of Prometheus. */
function metricsText(services: Services): string {
  const metrics = [powerMetrics, energyMetrics, cacheMetrics, queueMetrics, machineMetrics].flatMap(
    (of) => of(services),
  );
  const lines = metrics.flatMap(({ name, help, type, values }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map((value) => line(name, value)),
  ]);
  return `${lines.join('\n')}\n`;
}
