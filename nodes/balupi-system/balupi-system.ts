import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Entry } from '../lib/activity/activity.ts';
import type {
  ActivityAnswer,
  ActivityEntry,
  ActivityQuery,
  Care,
  Doctor,
  Health,
  SystemStatus,
} from '../lib/api/api.ts';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { type Said, said, WORDS } from '../lib/words/words.ts';
import { metricsText } from './metrics.ts';
import { DECLARATION } from './operations.ts';

/** `GET /api/activity`: an admin's all, anybody else's what is everybody's and their own. */
function listActivity({ activity, accounts }: Rooms, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answer(payload));
}

/** What an entry has nothing to tell of. */
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

function health({ system }: Rooms, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answer(payload));
}

function load({ system }: Rooms, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answer(payload));
}

function metrics(rooms: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(metricsText(rooms), 200, { 'Content-Type': METRICS_TYPE }));
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
function pageChecks({ system }: Rooms, message: ApiMessage): ApiMessage {
  const { checks } = system.health();
  message.payload = Object.entries(checks).map(([name, result]) => ({
    check: CHECK_WORDS[name] ?? name,
    state: STATE_WORDS[String(result)] ?? String(result),
  }));
  return message;
}

async function doctor({ system }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const findings = WORDS.spoken('en', await system.doctor()) as Doctor['findings'];
  const payload: Doctor = { findings };
  return withAnswer(message, answer(payload));
}

/** `GET /api/system/care`. */
function care({ system }: Rooms, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answer(payload));
}

const LEVEL_MARKS = { ok: '✓', warn: '⚠', fail: '✗' } as const;

/** A row of a page's table for each finding, in words that are marked for its reader. */
async function pageDoctor({ system }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const findings = await system.doctor();
  const payload = findings.map(({ level, subject, found, advice }) => ({
    ...{ found, advice },
    subject: said`${LEVEL_MARKS[level]} ${subject as Said}`,
  }));
  return withAnswer(message, answer(payload));
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  activity: listActivity,
  care,
  doctor,
  'page-doctor': pageDoctor,
  health,
  load,
  'page-checks': pageChecks,
  metrics,
});

/** Node `balupi-system`. */
export default function register(RED: NodeAPI): void {
  function SystemNode(this: Node, config: SystemConfig): void {
    RED.nodes.createNode(this, config);
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    new NodeGuard(this).onInput((message) =>
      actOf(ACTS, config.op, '', fields)(roomsBehind(RED.nodes.getNode(config.store)), message),
    );
  }
  RED.nodes.registerType('balupi-system', SystemNode);
}
