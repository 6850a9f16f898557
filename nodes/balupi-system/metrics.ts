import type { Counted } from '../lib/energy/energy.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

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

/** What is unknown has no line: a zero would be a lie. */
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

function powerMetrics({ energy }: Rooms): readonly Metric[] {
  const { devices, totalPowerW } = energy.current();
  const fresh = devices.flatMap((device) =>
    device.powerW === null || device.isStale
      ? []
      : [{ labels: labelsOf(device), value: device.powerW }],
  );
  return [
    gauge(
      'plug_info',
      'Always 1; the names of a plug, which may change, beside what names it for ever.',
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
 * Counters go on for ever and never fall: not by a restart, not when the past is put right, not by
 * prices below zero. What is stored now is a gauge beside them.
 */
function energyMetrics({ energy }: Rooms): readonly Metric[] {
  const plugs = energy.current().devices.map((device) => {
    return { labels: labelsOf(device), counted: energy.counted(device.deviceNumber) };
  });
  const wattHours = (of: (counted: Counted) => number): readonly Value[] =>
    plugs.map(({ labels, counted }) => ({ labels, value: of(counted) / 1_000 }));
  const { costUc, creditUc, storedUc } = energy.countedCost();
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

/** Alone what never changes: a label with another value begins another series. */
function labelsOf({ deviceId }: { deviceId: string }) {
  return { device: deviceId };
}

function namesOf({ deviceId, deviceName }: { deviceId: string; deviceName: string }) {
  return { device: deviceId, name: deviceName };
}

function cacheMetrics({ cache }: Rooms): readonly Metric[] {
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

function queueMetrics({ upload }: Rooms): readonly Metric[] {
  return [
    gauge('upload_queue_files', 'Uploads the NAS does not have yet.', upload.queuedCount()),
    gauge('upload_queue_bytes', 'Their bytes.', upload.queuedBytes()),
  ];
}

function machineMetrics({ nas, system }: Rooms): readonly Metric[] {
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
export function metricsText(rooms: Rooms): string {
  const metrics = [powerMetrics, energyMetrics, cacheMetrics, queueMetrics, machineMetrics].flatMap(
    (of) => of(rooms),
  );
  const lines = metrics.flatMap(({ name, help, type, values }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map((value) => line(name, value)),
  ]);
  return `${lines.join('\n')}\n`;
}
