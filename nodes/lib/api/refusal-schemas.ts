import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { refuse, type RefusalCode } from '../http/http.ts';
import type { Endpoint } from './endpoint.ts';
import { closed } from './schema-parts.ts';
import { nullable } from './wire.ts';

const SleepDetail = Type.Object(
  {
    message: Type.String({ description: 'One English sentence a person can act on.' }),
    sleep_state: Type.String({
      description: "The NAS's own word for its state, or unreachable or unknown.",
    }),
    next_wake_at: nullable(
      Type.String({ description: 'When the NAS said that it wakes next, as it wrote it.' }),
    ),
    retry_after_seconds: Type.Integer({ description: 'Seconds until a new try makes sense.' }),
  },
  { title: 'SleepDetail', description: 'Why a sleeping NAS cannot be asked, and until when.' },
);

const FIELDS = {
  detail: Type.Union([Type.String(), SleepDetail], {
    description: 'One English sentence a person can act on; an object where the NAS sleeps.',
  }),
  code: Type.String({ description: 'A stable word.' }),
};

/** The body of every refusal (contract 1, Errors). */
export const ErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      retry_after: Type.Optional(Type.Integer({ description: 'Seconds; with 429.' })),
    },
    { title: 'Error', description: 'A refusal.' },
  ),
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;

export const ValidationErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      errors: Type.Array(
        Type.Object({
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()]), {
            description: 'query, body or path, then the way to the value.',
          }),
          msg: Type.String({ description: 'What is wanted there.' }),
          got: Type.Optional(Type.String({ description: 'What came; never for secrets.' })),
        }),
        { description: 'The faults by their place, at most twenty.' },
      ),
    },
    { title: 'ValidationError', description: 'A refusal of values, each fault with its place.' },
  ),
);
export type ValidationErrorAnswer = Static<typeof ValidationErrorAnswer>;

/** A refusal in the NAS's own words: unchanged, but for the code where it had none. */
export const NasErrorAnswer = Type.Object(
  { detail: Type.Unknown({ description: 'As the NAS wrote it.' }), code: FIELDS.code },
  {
    title: 'NasError',
    description: "A refusal in the NAS's own words, with a code.",
    additionalProperties: true,
  },
);

/** What a refusal of ours holds, whose codes {@link codesByStatus} tells. */
export function ownRefusalOf(status: number): TSchema {
  return status === 422 ? ValidationErrorAnswer : ErrorAnswer;
}

/** Whether the NAS's own refusal may stand in the place of ours; its codes nobody here knows. */
export function mayBeTheirs({ passesRefusals }: Endpoint, status: number): boolean {
  return passesRefusals && status < 500;
}

/** The codes an endpoint may refuse with, by their status, lowest first. */
export function codesByStatus(endpoint: Endpoint): ReadonlyMap<number, readonly RefusalCode[]> {
  const byStatus = Map.groupBy(refusalsOf(endpoint), (code) => refuse(code).statusCode);
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** Every refusal an endpoint may give: its own, and those its access, query and body bring. */
function refusalsOf(endpoint: Endpoint): readonly RefusalCode[] {
  const codes = new Set<RefusalCode>(endpoint.refusals);
  if (endpoint.access !== 'open') addAll(codes, ['no_token', 'bad_token', 'nas_asleep']);
  if (endpoint.access === 'admin') codes.add('admin_only');
  if (endpoint.access === 'wake') codes.add('not_allowed');
  if (Object.keys(endpoint.params.properties).length > 0) codes.add('not_found');
  if (Object.keys(endpoint.query.properties).length > 0) codes.add('invalid');
  if (endpoint.body === 'json') addAll(codes, ['wrong_body_type', 'invalid']);
  if (endpoint.passesRefusals) addAll(codes, ['bad_token', 'not_allowed', 'invalid']);
  // Two hosts, or a body where none is wanted: whatever is asked for.
  if (endpoint.maxBodyBytes !== null) addAll(codes, ['too_large', 'too_slow']);
  if (codes.has('nas_asleep')) codes.add('nas_never_seen');
  addAll(codes, ['malformed', 'failed', 'restarting', 'flow_missing', 'deadline']);
  return [...codes];
}

function addAll(codes: Set<RefusalCode>, more: readonly RefusalCode[]): void {
  for (const code of more) codes.add(code);
}
