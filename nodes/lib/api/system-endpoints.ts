import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  nasPath,
  nullable,
  oneLine,
  rowId,
  secret,
  text as textField,
  words,
} from './endpoint.ts';
import { Credential } from './nas-endpoints.ts';

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
      textField('File of a newer version that is ready on the Pi; null where none is.'),
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
      { description: 'Of each place that nightly backups go to.' },
    ),
  },
  { title: 'Care' },
);
export type Care = Static<typeof Care>;

function textBody(mediaType: string, description: string) {
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
    example: {
      answer: {
        status: 'ok',
        version: '0.1.0',
        service: 'balupi',
        cache_enabled: true,
        energy_enabled: true,
        api_version: '1',
        min_api_version: '1',
        hostname: 'balupi',
        checks: {
          queue_db: 'ok',
          cache_db: 'ok',
          energy_db: 'ok',
          nas: 'asleep',
          clock: 'ok',
          disk: 'ok',
          memory: 'ok',
          uploads: 'ok',
          backup: 'ok',
          flows: 'ok',
          update: 'ok',
        },
      },
    },
  }),
  endpoint({
    id: 'ping',
    method: 'GET',
    path: '/api/ping',
    summary: 'Whether anyone is there.',
    tags: TAGS,
    access: 'open',
    responses: { 200: json(Ping, 'Yes.') },
    example: { answer: { status: 'ok' } },
  }),
  endpoint({
    id: 'system-status',
    method: 'GET',
    path: '/api/system/status',
    summary: 'Load, memory, temperature and disk of the Pi, sampled in the background.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(SystemStatus, 'The last sample.') },
    example: {
      answer: {
        cpu_percent: 7.5,
        cpu_temp_celsius: 48.3,
        temperature_c: 48.3,
        hostname: 'balupi',
        memory_total_mb: 905.3,
        memory_used_mb: 312.6,
        memory_percent: 34.5,
        disk_total_gb: 62.19,
        disk_used_gb: 18.4,
        disk_percent: 29.6,
        uptime_seconds: 86_400,
        load_avg: [0.12, 0.18, 0.15],
      },
    },
  }),
  endpoint({
    id: 'system-doctor',
    method: 'GET',
    path: '/api/system/doctor',
    summary: 'What `balupi doctor` finds, line by line.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(Doctor, 'One finding a subject.') },
    example: {
      answer: {
        findings: [
          { level: 'ok', subject: 'Data disk', found: '43.8 GB free', advice: '' },
          {
            level: 'warn',
            subject: 'Backup',
            found: 'The last one is 9 days old.',
            advice: 'Look at the log of balupi-backup.service.',
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'system-care',
    method: 'GET',
    path: '/api/system/care',
    summary: 'Nightly backups and updates, as far as this Pi knows. Nobody outside is asked.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(Care, 'As of now.') },
    example: {
      answer: {
        version: '0.1.0',
        on_trial: false,
        newer: null,
        backups: [
          {
            to: 'disk',
            problem: null,
            made_at: '2026-02-22T02:10:44Z',
            where: '/mnt/backup/balupi',
            size_bytes: 184211456,
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'metrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Counters for Prometheus. Needs no token from the Pi itself.',
    tags: TAGS,
    access: 'caller_or_loopback',
    responses: { 200: textBody('text/plain', 'Prometheus text.') },
    example: {
      texts: {
        'text/plain':
          '# HELP balupi_power_watts Power now.\n# TYPE balupi_power_watts gauge\nbalupi_power_watts{device="fridge"} 95.7\n',
      },
    },
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
    answeredBy: 'host',
    example: { answer: { openapi: '3.1.0' } },
  }),
  endpoint({
    id: 'docs',
    method: 'GET',
    path: '/docs',
    summary: 'This description as a page, served from the Pi alone.',
    tags: TAGS,
    access: 'open',
    responses: {
      200: { ...textBody('text/html', 'The page.'), headers: ['Content-Security-Policy'] },
    },
    refusals: ['too_many_tries'],
    answeredBy: 'host',
    example: { texts: { 'text/html': '<!doctype html>\n<title>BaluPi API</title>\n' } },
  }),
  endpoint({
    id: 'docs-asset',
    method: 'GET',
    path: '/docs/{name}',
    summary: 'What the page is made of.',
    tags: TAGS,
    access: 'open',
    params: Type.Object({ name: textField('Name of a file that the page names.') }),
    responses: { 200: { ...textBody('*/*', 'The asset.'), headers: PACKED } },
    refusals: ['not_found', 'too_many_tries'],
    answeredBy: 'host',
    example: { texts: { '*/*': 'window.SwaggerUIBundle({});\n' } },
  }),
] as const;

const KINDS = [
  'nas_awake',
  'nas_asleep',
  'wake_failed',
  'upload_delivered',
  'upload_failed',
  'conflict',
  'plug_lost',
  'sign_in',
  'device_paired',
] as const;

export const ActivityQuery = Type.Object({
  kind: Type.Optional(words(KINDS, { description: 'Only what is of this kind.' })),
  days: Type.Integer({
    minimum: 1,
    maximum: 90,
    default: 90,
    description: 'How many times 24 hours to go back.',
  }),
  before: Type.Optional(rowId('Only what is older than the entry of this id: next_before.')),
  limit: Type.Integer({
    minimum: 1,
    maximum: 500,
    default: 100,
    description: 'How many entries at most.',
  }),
});
export type ActivityQuery = Static<typeof ActivityQuery>;

export const ActivityEntry = Type.Object(
  {
    id: rowId('Id of the entry.'),
    kind: words(KINDS, {
      description:
        'nas_awake, nas_asleep and plug_lost last, from at to ended_at. upload_*, conflict, sign_in and device_paired are their user’s and the admins’ alone.',
    }),
    at: instant('When it happened, or began.'),
    ended_at: nullable(
      instant('When it was over, or the last file of several came; null while it lasts.'),
    ),
    username: nullable(
      textField('Whose it is, or who woke the NAS; null where that is not for you to know.'),
    ),
    cause: nullable(
      words(['user', 'flow', 'read', 'queue', 'door', 'elsewhere']),
      'Of nas_awake and wake_failed: a user or a flow asked for it, somebody read what is not kept, uploads waited (FLUSH_WAKE), an admin at the sign-in page; elsewhere: the NAS by itself or somebody past the Pi. Null where nobody saw it.',
    ),
    sleep_state: nullable(textField("Of nas_asleep: the NAS's own word, or unreachable.")),
    energy_wh: nullable(
      Type.Number({
        description: 'Of nas_awake, up to now: what its plug measured; null without.',
      }),
    ),
    cost_cents: nullable(Type.Number({ description: 'What that cost; null without.' })),
    path: nullable(nasPath({ description: 'The file; where files is above 1, their folder.' })),
    conflict_path: nullable(nasPath({ description: 'Where the upload is, next to it.' })),
    what: nullable(
      words(['upload', 'delete', 'rename', 'move', 'mkdir'], { description: 'What was wanted.' }),
    ),
    files: nullable(count('How many went the same way, one after the other.')),
    size_bytes: nullable(count('What they hold, in bytes.')),
    detail: nullable(textField('Why it failed or differs, in one English sentence.')),
    device_id: nullable(textField('Id of the plug.')),
    device_name: nullable(textField('Name of the plug, or of the device that was paired.')),
    address: nullable(textField('Of sign_in and device_paired: where it came from.')),
  },
  { title: 'ActivityEntry' },
);
export type ActivityEntry = Static<typeof ActivityEntry>;

export const ActivityAnswer = Type.Object(
  {
    entries: Type.Array(ActivityEntry, { description: 'What you may know, newest first.' }),
    next_before: nullable(rowId('For before, to read on; null where there are no more.')),
  },
  { title: 'Activity' },
);
export type ActivityAnswer = Static<typeof ActivityAnswer>;

export const ACTIVITY_ENDPOINTS = [
  endpoint({
    id: 'activity',
    method: 'GET',
    path: '/api/activity',
    summary:
      'What happened in the last 90 days, newest first: for admins all of it, for others what is everybody’s and their own.',
    tags: ['system'],
    access: 'caller',
    query: ActivityQuery,
    responses: { 200: json(ActivityAnswer, 'The entries.') },
    example: {
      answer: {
        entries: [
          {
            id: 812,
            kind: 'upload_delivered',
            at: '2026-02-22T14:01:10Z',
            ended_at: '2026-02-22T14:04:42Z',
            username: 'alice',
            cause: null,
            sleep_state: null,
            energy_wh: null,
            cost_cents: null,
            path: 'alice/Photos',
            conflict_path: null,
            what: 'upload',
            files: 31,
            size_bytes: 93482117,
            detail: null,
            device_id: null,
            device_name: null,
            address: null,
          },
          {
            id: 811,
            kind: 'nas_awake',
            at: '2026-02-22T14:00:31Z',
            ended_at: '2026-02-22T14:25:02Z',
            username: 'alice',
            cause: 'user',
            sleep_state: null,
            energy_wh: 18.4,
            cost_cents: 0.59,
            path: null,
            conflict_path: null,
            what: null,
            files: null,
            size_bytes: null,
            detail: null,
            device_id: null,
            device_name: null,
            address: null,
          },
        ],
        next_before: 811,
      },
    },
  }),
] as const;

const NOTICE_TAGS = ['notices'];

/** As the module has them (`notices/notice-text.ts`). */
const NoticeKindWord = words([
  'wake_failed',
  'conflict',
  'upload_failed',
  'plug_lost',
  'unusual',
  'disk',
  'update_ready',
  'flow',
]);

const timeOfDay = (description: string) =>
  nullable(Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' }), description);

const QUIET = {
  quiet_from: timeOfDay(
    'From this time of the day, HH:MM in TIMEZONE, nothing is sent; null: ever.',
  ),
  quiet_to: timeOfDay('Until this time, the next day where it is the earlier one; null: none.'),
};

const DeviceId = Type.String({
  pattern: '^[\\w-]{22}$',
  description: 'Id of the browser: the beginning of the SHA-256 of its endpoint, base64url.',
});

export const NoticeList = Type.Object(
  {
    public_key: textField('What a browser subscribes with (`applicationServerKey`), base64url.'),
    kinds: Type.Array(
      Type.Object(
        {
          kind: Type.Union(NoticeKindWord.anyOf, { description: 'What happened.' }),
          is_wanted: flag('Whether the caller wants to be told.'),
        },
        { title: 'NoticeChoice' },
      ),
      { description: 'All that the caller may be told of.' },
    ),
    ...QUIET,
    devices: Type.Array(
      Type.Object(
        {
          id: DeviceId,
          name: textField('What the caller calls it.'),
          language: textField('The language of its messages, as `en`.'),
          created_at: instant('When it was added.'),
          sent_at: nullable(
            instant(),
            'When its last message was handed over; null before one was.',
          ),
          problem: nullable(
            Type.String(),
            'Why the last message was not handed over, in a word; null where it was.',
          ),
        },
        { title: 'NoticeDevice' },
      ),
      { description: 'The browsers of the caller that are told.' },
    ),
  },
  { title: 'NoticeList' },
);
export type NoticeList = Static<typeof NoticeList>;

export const NoticeChoicesBody = Type.Object(
  {
    wanted: Type.Array(NoticeKindWord, {
      maxItems: 32,
      uniqueItems: true,
      description: 'Of what the caller wants to be told; of nothing else any more.',
    }),
    ...QUIET,
  },
  { title: 'NoticeChoicesBody' },
);
export type NoticeChoicesBody = Static<typeof NoticeChoicesBody>;

export const NoticeDeviceBody = Type.Object(
  {
    name: oneLine(60, { description: 'What the caller calls this browser.' }),
    endpoint: secret(2_048, 'The `endpoint` of its PushSubscription.'),
    p256dh: secret(128, 'Its `p256dh` key, base64url.'),
    auth: secret(64, 'Its `auth` key, base64url.'),
  },
  { title: 'NoticeDeviceBody' },
);
export type NoticeDeviceBody = Static<typeof NoticeDeviceBody>;

export const NoticeDeviceAnswer = Type.Object({ id: DeviceId }, { title: 'NoticeDeviceAnswer' });
export type NoticeDeviceAnswer = Static<typeof NoticeDeviceAnswer>;

export const NoticeTestBody = Type.Object(
  { device_id: Type.Optional(DeviceId) },
  { title: 'NoticeTestBody' },
);
export type NoticeTestBody = Static<typeof NoticeTestBody>;

const BROWSER = 'jXz0yq1R6bYw2m4C8tK5dA';

export const NOTICE_ENDPOINTS = [
  endpoint({
    id: 'notices',
    method: 'GET',
    path: '/api/notices',
    summary: 'Of what the caller is told by web push, and on which browsers.',
    tags: NOTICE_TAGS,
    access: 'caller',
    responses: { 200: json(NoticeList, 'The choices and the browsers.') },
    example: {
      answer: {
        public_key:
          'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
        kinds: [
          { kind: 'wake_failed', is_wanted: true },
          { kind: 'conflict', is_wanted: true },
          { kind: 'upload_failed', is_wanted: true },
          { kind: 'plug_lost', is_wanted: false },
          { kind: 'unusual', is_wanted: true },
          { kind: 'flow', is_wanted: true },
        ],
        quiet_from: '22:00',
        quiet_to: '07:00',
        devices: [
          {
            id: BROWSER,
            name: 'Chrome, Android',
            language: 'de',
            created_at: '2026-02-22T14:30:00Z',
            sent_at: '2026-02-23T06:12:09Z',
            problem: null,
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'notices-choose',
    method: 'PUT',
    path: '/api/notices',
    summary: 'Choose of what to be told, and when not.',
    tags: NOTICE_TAGS,
    access: 'caller',
    bodySchema: NoticeChoicesBody,
    responses: { 200: json(MessageAnswer, 'Chosen.') },
    example: {
      body: { wanted: ['wake_failed', 'conflict'], quiet_from: null, quiet_to: null },
      answer: { message: 'Chosen' },
    },
  }),
  endpoint({
    id: 'notices-device-add',
    method: 'POST',
    path: '/api/notices/devices',
    summary: 'Have messages sent to a browser, by its PushSubscription. Again: it is put right.',
    tags: NOTICE_TAGS,
    access: 'caller',
    bodySchema: NoticeDeviceBody,
    responses: { 200: json(NoticeDeviceAnswer, 'Added.') },
    refusals: ['not_allowed'],
    example: {
      body: {
        name: 'Chrome, Android',
        endpoint: 'as the subscription of the browser tells it',
        p256dh:
          'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
        auth: 'BTBZMqHH6r4Tts7J_aSIgg',
      },
      answer: { id: BROWSER },
    },
  }),
  endpoint({
    id: 'notices-device-remove',
    method: 'DELETE',
    path: '/api/notices/devices/{id}',
    summary: "Send nothing more to one of the caller's browsers.",
    tags: NOTICE_TAGS,
    access: 'caller',
    params: Type.Object({ id: DeviceId }),
    responses: { 200: json(MessageAnswer, 'Removed.') },
    refusals: ['not_found'],
    example: { answer: { message: 'Removed' } },
  }),
  endpoint({
    id: 'notices-test',
    method: 'POST',
    path: '/api/notices/test',
    summary: "Send a test message to the caller's browsers, or to one of them.",
    tags: NOTICE_TAGS,
    access: 'caller',
    bodySchema: NoticeTestBody,
    responses: { 200: json(MessageAnswer, 'Handed to the push service.') },
    refusals: ['not_found', 'too_many_tries', 'push_failed'],
    example: { body: { device_id: BROWSER }, answer: { message: 'Sent' } },
  }),
] as const;

const PEOPLE_TAGS = ['auth'];

export const People = Type.Object(
  {
    users: Type.Array(
      Type.Object({
        username: Type.String(),
        role: textField('admin or user.'),
        may_wake: flag('Whether the NAS lets them wake it.'),
        answered_at: instant('When the NAS last answered for them.'),
        credentials: Type.Array(Credential, {
          description: 'What is stored to act for them later, without its secret.',
        }),
        sign_ins: Type.Array(
          Type.Object({
            id: textField('Id of the sign-in.'),
            kind: words(['page', 'app', 'desktop', 'editor'], {
              description:
                'page: a browser, at the pages. app: tokens that came through this Pi. desktop: a paired one that goes on with tokens of the Pi. editor: at the editor.',
            }),
            name: nullable(textField('What a desktop is called.')),
            since: instant('When it began; of an app its last refresh.'),
            ends_at: nullable(instant('When it ends by itself; null where nothing says.')),
          }),
          { description: 'Where they are signed in here, the newest first.' },
        ),
      }),
      { description: 'For admins everybody known here, for others themselves.' },
    ),
  },
  { title: 'People' },
);
export type People = Static<typeof People>;

export const PEOPLE_ENDPOINTS = [
  endpoint({
    id: 'people',
    method: 'GET',
    path: '/api/people',
    summary: 'Who is known here, what is stored for them, where they are signed in.',
    tags: PEOPLE_TAGS,
    access: 'caller',
    responses: { 200: json(People, 'The people.') },
    example: {
      answer: {
        users: [
          {
            username: 'alice',
            role: 'user',
            may_wake: true,
            answered_at: '2026-02-22T14:30:00Z',
            credentials: [
              {
                username: 'alice',
                kind: 'device',
                state: 'ok',
                last_used: '2026-02-22T14:01:10Z',
                expires_at: '2026-08-21T00:30:29Z',
                created_at: '2026-02-22T00:30:29Z',
                detail: null,
              },
            ],
            sign_ins: [
              {
                id: 'page-3f0c7a4be19d2865',
                kind: 'page',
                name: null,
                since: '2026-02-20T18:12:00Z',
                ends_at: '2026-03-22T18:12:00Z',
              },
            ],
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'people-sign-in-end',
    method: 'DELETE',
    path: '/api/people/sign-ins/{id}',
    summary: "End a sign-in here: one's own, for admins anybody's. The NAS is not told.",
    tags: PEOPLE_TAGS,
    access: 'caller',
    params: Type.Object({
      id: Type.String({ minLength: 1, maxLength: 64, description: 'Id of the sign-in.' }),
    }),
    responses: { 200: json(MessageAnswer, 'It is over.') },
    refusals: ['not_found'],
    example: { answer: { message: 'Ended' } },
  }),
] as const;
