import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { nullable, words } from './wire.ts';

const TAGS = ['system'];

export const Health = Type.Object(
  {
    status: words(['ok', 'degraded']),
    version: Type.String(),
    service: Type.Literal('balupi'),
    cache_enabled: Type.Boolean(),
    energy_enabled: Type.Boolean(),
    api_version: Type.String(),
    min_api_version: Type.String(),
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

export const Ping = Type.Object({ status: Type.Literal('ok') }, { title: 'Ping' });
export type Ping = Static<typeof Ping>;

const share = () => Type.Number({ minimum: 0 });

export const SystemStatus = Type.Object(
  {
    cpu_percent: share(),
    cpu_temp_celsius: nullable(Type.Number()),
    temperature_c: nullable(
      Type.Number({ description: 'The same, as the Pi page of BaluHost reads it.' }),
    ),
    hostname: Type.String(),
    memory_total_mb: share(),
    memory_used_mb: share(),
    memory_percent: share(),
    disk_total_gb: share(),
    disk_used_gb: share(),
    disk_percent: share(),
    uptime_seconds: share(),
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
        level: words(['ok', 'warn', 'fail']),
        subject: Type.String(),
        found: Type.String(),
        advice: Type.String({ description: 'What to do; empty where there is nothing to do.' }),
      }),
    ),
  },
  { title: 'Doctor' },
);
export type Doctor = Static<typeof Doctor>;

function text(mediaType: string, description: string) {
  return { description, content: { [mediaType]: Type.String() } };
}

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
    responses: { 200: json(Type.Record(Type.String(), Type.Unknown()), 'OpenAPI 3.1.') },
  }),
  endpoint({
    id: 'docs',
    method: 'GET',
    path: '/docs',
    summary: 'This description as a page, served from the Pi alone.',
    tags: TAGS,
    access: 'open',
    responses: { 200: text('text/html', 'The page.') },
  }),
  endpoint({
    id: 'docs-asset',
    method: 'GET',
    path: '/docs/{name}',
    summary: 'What the page is made of.',
    tags: TAGS,
    access: 'open',
    params: Type.Object({ name: Type.String() }),
    responses: { 200: text('*/*', 'The asset.') },
    refusals: ['not_found'],
  }),
] as const;
