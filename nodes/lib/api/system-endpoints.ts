import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { flag, nullable, text as textField, words } from './wire.ts';

const TAGS = ['system'];

export const Health = Type.Object(
  {
    status: words(['ok', 'degraded'], { description: 'degraded: one of the checks is not well.' }),
    version: textField('Version of BaluPi.'),
    service: Type.Literal('balupi', { description: 'Which program answers.' }),
    cache_enabled: flag('Whether files are kept.'),
    energy_enabled: flag('Whether energy is metered.'),
    api_version: textField('Version of this API.'),
    min_api_version: textField('The oldest version of a client that it still serves.'),
    hostname: Type.String(),
    checks: Type.Record(
      Type.String({ pattern: '^[a-z_]+$' }),
      Type.String({ description: 'ok, or a stable word for what was found.' }),
      {
        description:
          'queue_db, cache_db, energy_db, nas, clock, disk, memory, uploads, backup, flows and update; ' +
          'what is not ok there and no passing state makes the whole degraded.',
      },
    ),
  },
  { title: 'Health' },
);
export type Health = Static<typeof Health>;

export const Ping = Type.Object(
  { status: Type.Literal('ok', { description: 'Somebody is there.' }) },
  { title: 'Ping' },
);
export type Ping = Static<typeof Ping>;

const share = (description: string) => Type.Number({ minimum: 0, description });

export const SystemStatus = Type.Object(
  {
    cpu_percent: share('How busy all cores together are.'),
    cpu_temp_celsius: nullable(
      Type.Number({ description: 'Temperature of the processor; null where none is told.' }),
    ),
    temperature_c: nullable(
      Type.Number({ description: 'The same, as the Pi page of BaluHost reads it.' }),
    ),
    hostname: Type.String(),
    memory_total_mb: share('Memory in MB (1024² bytes).'),
    memory_used_mb: share('What of it cannot be given back, in MB.'),
    memory_percent: share('The same as a share.'),
    disk_total_gb: share("Size of DATA_DIR's disk in GB (10^9 bytes)."),
    disk_used_gb: share('What of it is used, in GB.'),
    disk_percent: share('The same as a share.'),
    uptime_seconds: share('Since the Pi was started.'),
    load_avg: Type.Array(Type.Number(), {
      minItems: 3,
      maxItems: 3,
      description: 'Over 1, 5 and 15 minutes.',
    }),
  },
  { title: 'SystemStatus' },
);
export type SystemStatus = Static<typeof SystemStatus>;

export const Doctor = Type.Object(
  {
    findings: Type.Array(
      Type.Object({
        level: words(['ok', 'warn', 'fail'], { description: 'How bad it is.' }),
        subject: textField('What was looked at.'),
        found: textField('What was found, in one sentence.'),
        advice: Type.String({ description: 'What to do; empty where there is nothing to do.' }),
      }),
      { description: 'One a subject.' },
    ),
  },
  { title: 'Doctor' },
);
export type Doctor = Static<typeof Doctor>;

export const Care = Type.Object(
  {
    version: textField('Version of BaluPi that runs.'),
    on_trial: flag('Whether it is on trial after an update.'),
    newer: nullable(
      textField('File of a newer version that lies ready on the Pi; null where none does.'),
    ),
    backups: Type.Array(
      Type.Object({
        to: words(['disk', 'nas'], { description: 'Where nightly backups go.' }),
        problem: nullable(
          words(['not_mounted', 'no_room', 'not_running', 'failed'], {
            description: 'Why the last was not made.',
          }),
        ),
        made_at: nullable(textField('When the last good one was made; null before the first.')),
        where: nullable(textField('Its folder; on the NAS its path.')),
        size_bytes: nullable(Type.Integer({ minimum: 0, description: 'Its size in bytes.' })),
      }),
      { description: 'Of each place that nightly backups are wished for.' },
    ),
  },
  { title: 'Care' },
);
export type Care = Static<typeof Care>;

function text(mediaType: string, description: string) {
  return { description, content: { [mediaType]: Type.String() } };
}

const PACKED = ['Content-Encoding', 'Vary'] as const;

export const SYSTEM_ENDPOINTS = [
  endpoint({
    id: 'health',
    method: 'GET',
    path: '/api/health',
    summary: 'Whether BaluPi is well at this moment. Never asks the NAS.',
    tags: TAGS,
    access: 'open',
    responses: { 200: json(Health, 'It runs.') },
  }),
  endpoint({
    id: 'ping',
    method: 'GET',
    path: '/api/ping',
    summary: 'Whether anyone is there.',
    tags: TAGS,
    access: 'open',
    responses: { 200: json(Ping, 'Yes.') },
  }),
  endpoint({
    id: 'system-status',
    method: 'GET',
    path: '/api/system/status',
    summary: 'Load, memory, temperature and disk of the Pi, sampled in the background.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(SystemStatus, 'The last sample.') },
  }),
  endpoint({
    id: 'system-doctor',
    method: 'GET',
    path: '/api/system/doctor',
    summary: 'What `balupi doctor` finds, line by line.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(Doctor, 'One finding a subject.') },
  }),
  endpoint({
    id: 'system-care',
    method: 'GET',
    path: '/api/system/care',
    summary: 'Nightly backups and updates, as far as this Pi knows. Nobody outside is asked.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(Care, 'As of now.') },
  }),
  endpoint({
    id: 'metrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Counters for Prometheus. Needs no token from the Pi itself.',
    tags: TAGS,
    access: 'caller_or_loopback',
    responses: { 200: text('text/plain', 'Prometheus text.') },
  }),
  endpoint({
    id: 'openapi',
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This description.',
    tags: TAGS,
    access: 'open',
    responses: {
      200: json(Type.Record(Type.String(), Type.Unknown()), 'OpenAPI 3.1.', PACKED),
    },
    refusals: ['too_many_tries'],
  }),
  endpoint({
    id: 'docs',
    method: 'GET',
    path: '/docs',
    summary: 'This description as a page, served from the Pi alone.',
    tags: TAGS,
    access: 'open',
    responses: {
      200: { ...text('text/html', 'The page.'), headers: ['Content-Security-Policy'] },
    },
    refusals: ['too_many_tries'],
  }),
  endpoint({
    id: 'docs-asset',
    method: 'GET',
    path: '/docs/{name}',
    summary: 'What the page is made of.',
    tags: TAGS,
    access: 'open',
    params: Type.Object({ name: textField('Name of a file that the page names.') }),
    responses: { 200: { ...text('*/*', 'The asset.'), headers: PACKED } },
    refusals: ['not_found', 'too_many_tries'],
  }),
] as const;
