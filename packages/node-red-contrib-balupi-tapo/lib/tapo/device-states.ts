import type { PlugFailure, PlugFailureCause, PlugFailureKind } from './plug.ts';

/** How a plug stands (contract 5). */
export type DeviceState = 'ok' | Exclude<PlugFailureKind, 'bad_answer'>;

/** As `Accept-Language` names it; what no hint is written in is answered in English. */
export type HintLanguage = string;

/** What is not as it should be with a plug that can be read and switched. */
export type PlugHint = 'power_unknown' | 'counters_unknown' | 'clock_wrong';

/** What a hint is about: finer than the state, as the remedy may differ. */
export type HintTopic =
  Exclude<DeviceState, 'ok'> | 'bad_answer' | 'not_read_yet' | PlugFailureCause | PlugHint;

/**
 * What to do about a topic, in words; empty when all is well.
 * @param until when it ends, as its reader writes times
 */
export type Hints = (topic: HintTopic | 'ok', language: HintLanguage, until?: string) => string;

/** The state a failure puts a plug in. The contract has no word for nonsense, so it is offline. */
export function stateOfFailure(failure: PlugFailure): Exclude<DeviceState, 'ok'> {
  return failure.kind === 'bad_answer' ? 'unreachable' : failure.kind;
}

export function topicOfFailure(failure: PlugFailure): HintTopic {
  return failure.cause ?? failure.kind;
}
