/**
 * Addresses that exist but are not built yet and that `baluhost-routes.ts` does not name: the
 * contract's own, forms that only the apps send, and families of BaluHost 1.38 that the apps call
 * (read in BaluApp and BaluDesk).
 */
const EVERY = 'GET POST PUT PATCH DELETE';

export const LATER_ROUTES: readonly (readonly [methods: string, path: string])[] = [
  ['DELETE', '/api/files'],
  ['POST', '/api/mobile/sync/folders/{id}/trigger'],
  ['GET', '/api/mobile/sync/folders/{id}/status'],
  [EVERY, '/api/admin/{rest*}'],
  [EVERY, '/api/monitoring/{rest*}'],
  [EVERY, '/api/notifications/{rest*}'],
  [EVERY, '/api/plugins/{rest*}'],
  [EVERY, '/api/shares/{rest*}'],
  [EVERY, '/api/system/raid/{rest*}'],
  [EVERY, '/api/system/smart/{rest*}'],
  [EVERY, '/api/vpn/{rest*}'],
];
