import { APP_ENERGY_ENDPOINTS } from './app-energy-endpoints.ts';
import { AUTH_ENDPOINTS, HANDSHAKE_ENDPOINTS, PAIRING_ENDPOINTS } from './auth-endpoints.ts';
import { type Answer, plainAnswer } from '../http/http.ts';
import { type Endpoint, endpoint, type JsonOf, type Only } from './endpoint.ts';
import { ENERGY_ENDPOINTS } from './energy-endpoints.ts';
import { FILES_ENDPOINTS } from './files-endpoints.ts';
import { NAS_ENDPOINTS } from './nas-endpoints.ts';
import {
  ACTIVITY_ENDPOINTS,
  NOTICE_ENDPOINTS,
  PEOPLE_ENDPOINTS,
  SYSTEM_ENDPOINTS,
} from './system-endpoints.ts';
import { TAPO_ENDPOINTS } from './tapo-endpoints.ts';
import { RESUMABLE_ENDPOINTS } from './upload-endpoints.ts';

/** Every endpoint BaluPi answers itself: the one place that says so (contract 1). */
export const ENDPOINTS = [
  ...SYSTEM_ENDPOINTS,
  ...ACTIVITY_ENDPOINTS,
  ...AUTH_ENDPOINTS,
  ...PAIRING_ENDPOINTS,
  ...PEOPLE_ENDPOINTS,
  ...FILES_ENDPOINTS,
  ...RESUMABLE_ENDPOINTS,
  ...ENERGY_ENDPOINTS,
  ...APP_ENERGY_ENDPOINTS,
  ...TAPO_ENDPOINTS,
  ...NAS_ENDPOINTS,
  ...HANDSHAKE_ENDPOINTS,
  ...NOTICE_ENDPOINTS,
] as const;

/** What neither BaluPi nor a tinkerer answers. The NAS describes it, so no document of ours does. */
export const PASSED: Endpoint = endpoint({
  id: 'nas-pass',
  method: 'POST',
  path: '/api/{nas}',
  rest: 'raw',
  summary: 'Whatever else BaluHost offers.',
  tags: ['nas'],
  access: 'caller',
  body: 'stream',
  responses: {},
  example: {},
});

export type EndpointId = (typeof ENDPOINTS)[number]['id'];
type EndpointOf<Id extends EndpointId> = Extract<(typeof ENDPOINTS)[number], { readonly id: Id }>;

const BY_ID: ReadonlyMap<string, Endpoint> = new Map(
  ENDPOINTS.map((endpoint): [string, Endpoint] => [endpoint.id, endpoint]),
);

/** The description of one endpoint, with the types of its query and body. */
export function endpointById<const Id extends EndpointId>(id: Id): EndpointOf<Id> {
  return BY_ID.get(id) as EndpointOf<Id>;
}

/** The JSON of an endpoint's answers. */
export type AnswerOf<Id extends EndpointId> = JsonOf<EndpointOf<Id>['responses']>;

/**
 * Answers with what an endpoint describes: a field its description does not name fails to compile,
 * and fails any test that receives it.
 * @param statusCode default: the first one described
 */
export function answerTo<const Id extends EndpointId, V extends AnswerOf<Id>>(
  id: Id,
  value: V & Only<V, AnswerOf<Id>>,
  statusCode = Number(Object.keys(BY_ID.get(id)?.responses ?? {})[0]),
  headers: Answer['headers'] = {},
): Answer {
  return plainAnswer(value, statusCode, headers);
}

export type * from './system-endpoints.ts';
export type * from './app-energy-endpoints.ts';
export { TAPO_PLUGIN } from './app-energy-endpoints.ts';
export type * from './auth-endpoints.ts';
export type * from './files-endpoints.ts';
export { DOCS_CONTENT_SECURITY_POLICY, DOCS_PAGE, docsAsset } from './docs-page.ts';
export type { Endpoint } from './endpoint.ts';
export type * from './upload-endpoints.ts';
export type * from './energy-endpoints.ts';
export type * from './files-endpoints.ts';
export type * from './energy-endpoints.ts';
export type * from './files-endpoints.ts';
export type * from './auth-endpoints.ts';
export type { Match } from './match.ts';
export { isNeverPassed, Matcher } from './match.ts';
export type * from './nas-endpoints.ts';
export type * from './system-endpoints.ts';
export { encodeSegment, Target } from './normalise.ts';
export type * from './auth-endpoints.ts';
export type * from './system-endpoints.ts';
export { type PassedAddress, passedAddress } from './match.ts';
export { literalPathIn } from './validate.ts';
export type * from './energy-endpoints.ts';
export type * from './upload-endpoints.ts';
export type * from './system-endpoints.ts';
export type * from './tapo-endpoints.ts';
export type * from './upload-endpoints.ts';
export { validateBody, validateParams, validateQuery } from './validate.ts';
