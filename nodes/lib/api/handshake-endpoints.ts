import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, flag, instant, nullable } from './wire.ts';

const TAGS = ['handshake'];

/** Most a body of the NAS may hold (contract 6). */
const SIGNED_BODY_BYTES = 1024 * 1024;

export const HandshakeStatus = Type.Object(
  {
    nas_state: Type.String({ description: 'online or offline.' }),
    since: nullable(instant()),
    last_snapshot: nullable(instant('When the NAS last said goodbye with a snapshot.')),
    inbox_size_mb: Type.Number({
      minimum: 0,
      description: 'MB (1024²) the NAS does not have yet.',
    }),
    inbox_files: count('How many files the NAS does not have yet.'),
  },
  { title: 'HandshakeStatus' },
);
export type HandshakeStatus = Static<typeof HandshakeStatus>;

export const GoodbyeAnswer = Type.Object(
  {
    acknowledged: Type.Literal(true, { description: 'It was taken in.' }),
    dns_switched: flag("Whether the house's name points at the Pi now."),
  },
  { title: 'GoodbyeAnswer' },
);
export type GoodbyeAnswer = Static<typeof GoodbyeAnswer>;

export const HelloAnswer = Type.Object(
  {
    acknowledged: Type.Literal(true, { description: 'It was taken in.' }),
    inbox_flushed: Type.Boolean({ description: 'Nothing waits for the NAS.' }),
    files_transferred: count('0: they are delivered after this answer.'),
  },
  { title: 'HelloAnswer' },
);
export type HelloAnswer = Static<typeof HelloAnswer>;

const SIGNATURE_HEADERS = Type.Object({
  'X-Balupi-Timestamp': Type.String({ description: 'Unix seconds, at most 60 s off.' }),
  'X-Balupi-Signature': Type.String({
    description: 'Hex HMAC-SHA256 over METHOD:path:timestamp:sha256hex(body). It counts once.',
  }),
});

const SIGNED = {
  method: 'POST',
  tags: TAGS,
  access: 'open',
  body: 'bytes',
  maxBodyBytes: SIGNED_BODY_BYTES,
  headers: SIGNATURE_HEADERS,
  bodySchema: Type.Object({}, { additionalProperties: true }),
  refusals: ['bad_signature', 'handshake_off', 'clock_unsynced', 'too_many_tries'],
} as const;

export const HANDSHAKE_ENDPOINTS = [
  endpoint({
    ...SIGNED,
    id: 'handshake-goodbye',
    path: '/api/handshake/nas-going-offline',
    summary: 'The NAS goes, and leaves a snapshot of itself. Signed by the NAS.',
    responses: { 200: json(GoodbyeAnswer, 'It counts as asleep.') },
  }),
  endpoint({
    ...SIGNED,
    id: 'handshake-hello',
    path: '/api/handshake/nas-coming-online',
    summary: 'The NAS comes. Uploads are delivered once it answers. Signed by the NAS.',
    responses: { 200: json(HelloAnswer, 'It is looked for.') },
  }),
  endpoint({
    id: 'handshake-status',
    method: 'GET',
    path: '/api/handshake/status',
    summary: 'Whether the NAS is there, and what waits for it.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(HandshakeStatus, 'As known now.') },
  }),
  endpoint({
    id: 'handshake-snapshot',
    method: 'GET',
    path: '/api/handshake/snapshot',
    summary: 'What the NAS told of itself when it last went.',
    tags: TAGS,
    access: 'caller',
    responses: {
      200: json(Type.Object({}, { additionalProperties: true }), 'As the NAS sent it.'),
    },
    refusals: ['not_found'],
  }),
] as const;
