export { BackgroundBudget, type BackgroundCall } from './background-budget.ts';
export {
  broadcastAddresses,
  parseWakeAddress,
  type WakeTarget,
  wakeTargets,
} from './broadcast-addresses.ts';
export { readNasJson } from './json-answer.ts';
export { normaliseMac } from './mac-address.ts';
export { type MagicPacketPort, udpMagicPacket } from './magic-packet.ts';
export { NasCallError, type NasFailure } from './nas-call-error.ts';
export type {
  NasApi,
  NasApiCall,
  NasCallOptions,
  NasClient,
  NasDownload,
  NasFileItem,
  NasJson,
  NasListing,
  NasListOptions,
  NasRange,
  NasUploadChannel,
} from './nas-client.ts';
export { encodeNasPath } from './nas-path.ts';
export type { NasExchange, NasRequest } from './nas-request.ts';
export { NasRoom, type NasRoomOptions } from './nas-room.ts';
export type { NasPlug, NasPowerState, NasStatus } from './nas-status.ts';
export { readNeighbourFile } from './neighbour-file.ts';
export type {
  MissWakeOutcome,
  NasFault,
  NasMissWake,
  NasPresence,
  NasState,
  NasWake,
  WakeOutcome,
  WakeState,
} from './presence-port.ts';
export type { ProbeOutcome } from './probe.ts';
export { type ServerProfile, ServerRows } from './server-rows.ts';
