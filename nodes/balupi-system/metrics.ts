import type { Rooms } from '../lib/rooms/rooms.ts';

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly values: readonly {
    readonly labels?: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/** Label values may hold anything; the format wants these three escaped (exposition format 0.0.4). */
function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function line(name: string, { labels, value }: Metric['values'][number]): string {
  const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

function known(value: number | null): Metric['values'] {
  return value === null ? [] : [{ value }];
}

/** What is unknown has no line: a zero would be a lie. */
function metrics({ cache, upload, energy, nas, system }: Rooms): readonly Metric[] {
  const copies = cache.stats();
  const { devices, totalPowerW } = energy.current();
  const load = system.load();
  const gauge = 'gauge' as const;
  return [
    {
      name: 'balupi_plug_power_watts',
      help: 'Power of a plug.',
      type: gauge,
      values: devices.flatMap(({ deviceId, deviceName, powerW, isStale }) =>
        powerW === null || isStale
          ? []
          : [{ labels: { device: deviceId, name: deviceName }, value: powerW }],
      ),
    },
    {
      name: 'balupi_power_watts',
      help: 'Power of all plugs.',
      type: gauge,
      values: known(totalPowerW),
    },
    {
      name: 'balupi_cache_files',
      help: 'Kept copies.',
      type: gauge,
      values: [{ value: copies.fileCount }],
    },
    {
      name: 'balupi_cache_bytes',
      help: 'Bytes of copies.',
      type: gauge,
      values: [{ value: copies.totalBytes }],
    },
    {
      name: 'balupi_cache_hits_total',
      help: 'Reads served from a copy.',
      type: 'counter',
      values: [{ value: copies.hits }],
    },
    {
      name: 'balupi_cache_misses_total',
      help: 'Reads that needed the NAS.',
      type: 'counter',
      values: [{ value: copies.misses }],
    },
    {
      name: 'balupi_cache_evictions_total',
      help: 'Copies given up.',
      type: 'counter',
      values: [{ value: copies.evictions }],
    },
    {
      name: 'balupi_nas_wakes_avoided_total',
      help: 'Reads that would have needed a sleeping NAS.',
      type: 'counter',
      values: [{ value: copies.nasWakesAvoided }],
    },
    {
      name: 'balupi_upload_queue_files',
      help: 'Uploads the NAS does not have yet.',
      type: gauge,
      values: [{ value: upload.queuedCount() }],
    },
    {
      name: 'balupi_upload_queue_bytes',
      help: 'Their bytes.',
      type: gauge,
      values: [{ value: upload.queuedBytes() }],
    },
    {
      name: 'balupi_nas_awake',
      help: '1 while the NAS is awake.',
      type: gauge,
      values: [{ value: nas.presence.state.awake ? 1 : 0 }],
    },
    {
      name: 'balupi_cpu_percent',
      help: 'Load of the Pi.',
      type: gauge,
      values: known(load?.cpuPercent ?? null),
    },
    {
      name: 'balupi_cpu_celsius',
      help: 'Temperature of the Pi.',
      type: gauge,
      values: known(load?.cpuTempCelsius ?? null),
    },
    {
      name: 'balupi_process_memory_bytes',
      help: 'Memory of this process.',
      type: gauge,
      values: [{ value: process.memoryUsage.rss() }],
    },
  ];
}

/** Everything there is to count, in the text format of Prometheus. */
export function metricsText(rooms: Rooms): string {
  const lines = metrics(rooms).flatMap(({ name, help, type, values }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map((value) => line(name, value)),
  ]);
  return `${lines.join('\n')}\n`;
}
