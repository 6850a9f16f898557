export {
  failureOf,
  failureOfStatus,
  goodBodyOf,
  isCannotAsk,
  isGood,
  isInDoubt,
  isSignInRefused,
  type NasFailure,
  type NasRefusal,
} from './failure.ts';
export { encodeNasPath } from './http-nas-client.ts';
export { readNasJson } from './nas-calls.ts';
export type { NasNews } from './presence.ts';
export type { NasApi, NasClient, NasJson } from './nas-client.ts';
export type { NasExchange } from './nas-client.ts';
export { type CallerNeed, NasService } from './nas-service.ts';
export type { NasSocket } from './nas-transport.ts';
export { readNeighbourFile } from './server-profile.ts';
export type { NasPresence, NasState, NasWake, WakeCause } from './presence.ts';
export { ServerRows } from './server-rows.ts';
