import { type Static, type TSchema, Type } from '@sinclair/typebox';
import type { RefusalCode } from '../http/http.ts';
import type { Endpoint } from './endpoint.ts';
import { closed } from './schema-parts.ts';
import { nullable } from './wire.ts';

const SleepDetail = Type.Object(
  {
    message: Type.String(),
    sleep_state: Type.String(),
    next_wake_at: nullable(Type.String()),
    retry_after_seconds: Type.Integer(),
  },
  { title: 'SleepDetail' },
);

const FIELDS = {
  detail: Type.Union([Type.String(), SleepDetail]),
  code: Type.String({ description: 'A stable word.' }),
};

/** The body of every refusal (contract 1, Errors). */
export const ErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      retry_after: Type.Optional(Type.Integer({ description: 'Seconds; with 429.' })),
    },
    { title: 'Error' },
  ),
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;

export const ValidationErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      errors: Type.Array(
        Type.Object({
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()])),
          msg: Type.String({ description: 'What is wanted there.' }),
          got: Type.Optional(Type.String({ description: 'What came; never for secrets.' })),
        }),
      ),
    },
    { title: 'ValidationError' },
  ),
);
export type ValidationErrorAnswer = Static<typeof ValidationErrorAnswer>;

/** A refusal in the NAS's own words: unchanged, but for the code where it had none. */
export const NasErrorAnswer = Type.Object(
  { detail: Type.Unknown({ description: 'As the NAS wrote it.' }), code: FIELDS.code },
  { title: 'NasError', additionalProperties: true },
);

export const ERROR_SCHEMAS: readonly TSchema[] = [ErrorAnswer, ValidationErrorAnswer];

/** What a refusal of that status holds. */
export function refusalSchemaOf(endpoint: Endpoint, status: number): TSchema {
  const ours = status === 422 ? ValidationErrorAnswer : ErrorAnswer;
  return endpoint.passesRefusals && status < 500 ? Type.Union([ours, NasErrorAnswer]) : ours;
}

/** Every refusal an endpoint may give: its own, and those its access, query and body bring. */
export function refusalsOf(endpoint: Endpoint): readonly RefusalCode[] {
  const codes = new Set<RefusalCode>(endpoint.refusals);
  if (endpoint.access !== 'open') addAll(codes, ['no_token', 'bad_token', 'nas_asleep']);
  if (endpoint.access === 'admin') codes.add('admin_only');
  if (endpoint.access === 'wake') codes.add('not_allowed');
  if (Object.keys(endpoint.params.properties).length > 0) codes.add('not_found');
  if (Object.keys(endpoint.query.properties).length > 0) codes.add('invalid');
  if (endpoint.body === 'json') {
    addAll(codes, ['malformed', 'too_large', 'wrong_body_type', 'invalid', 'too_slow']);
  }
  if (endpoint.passesRefusals) addAll(codes, ['malformed', 'bad_token', 'not_allowed', 'invalid']);
  if (endpoint.body === 'bytes') addAll(codes, ['malformed', 'too_large', 'too_slow']);
  addAll(codes, ['failed', 'restarting', 'deadline']);
  return [...codes];
}

function addAll(codes: Set<RefusalCode>, more: readonly RefusalCode[]): void {
  for (const code of more) codes.add(code);
}
