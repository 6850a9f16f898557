export { readNasJson } from './json-answer.ts';
export type { NasNews } from './nas-news.ts';
export type { NasApi, NasClient, NasJson } from './nas-client.ts';
export type { NasExchange } from './nas-request.ts';
export { NasRoom } from './nas-room.ts';
export type { NasSocket } from './nas-upgrade.ts';
export { readNeighbourFile } from './neighbour-file.ts';
export type { NasPresence, NasState, NasWake, WakeCause } from './presence-port.ts';
export { ServerRows } from './server-rows.ts';
