/**
 * Every way the API says no: its stable code, its HTTP status and its default sentence (contract 1,
 * Errors). A code is never renamed and never given a second status.
 */
export const REFUSALS = {
  malformed: { status: 400, detail: 'The request could not be read.' },
  bad_path: { status: 400, detail: 'The path is not one a NAS file can have.' },
  no_mac: {
    status: 400,
    detail: 'No MAC address of the NAS is known. Set BALUPI_NAS_MAC_ADDRESS.',
  },
  no_token: { status: 401, detail: 'Sign in first: send Authorization: Bearer <token>.' },
  bad_token: { status: 401, detail: 'This token is not valid. Sign in again.' },
  bad_signature: { status: 401, detail: 'This call is not signed by the NAS.' },
  bad_credentials: { status: 401, detail: 'Invalid credentials' },
  refresh_token_now: {
    status: 401,
    detail: 'The NAS is awake again and wants a token of its own. Refresh and repeat the call.',
  },
  admin_only: { status: 403, detail: 'Only an admin may do this.' },
  not_allowed: { status: 403, detail: 'You may not do this.' },
  not_yours: { status: 403, detail: 'You cannot write to this place.' },
  not_through_the_pi: {
    status: 403,
    detail: 'BaluPi never passes this on. Do it at the NAS itself; files go to /api/files/upload.',
  },
  not_found: { status: 404, detail: 'There is nothing at this address.' },
  no_thumbnail: { status: 404, detail: 'There is no small picture of this file.' },
  method_not_allowed: { status: 405, detail: 'This address does not take this method.' },
  too_slow: { status: 408, detail: 'The request came in too slowly and was ended.' },
  already_awake: { status: 409, detail: 'The NAS is awake already.' },
  nas_plug_guard: {
    status: 409,
    detail: 'This plug feeds the NAS, which is not off. Send {"force": true} to switch it anyway.',
  },
  conflict: { status: 409, detail: 'This does not fit the present state.' },
  precondition_failed: { status: 412, detail: 'The file is not the version you asked for.' },
  too_large: { status: 413, detail: 'The request is larger than this address takes.' },
  wrong_body_type: { status: 415, detail: 'This address does not take a body of this type.' },
  range_not_satisfiable: { status: 416, detail: 'The file has no such range.' },
  invalid: { status: 422, detail: 'Some values are not valid.' },
  too_many_tries: { status: 429, detail: 'Too many tries. Wait a little.' },
  nas_busy: { status: 429, detail: 'The NAS is busy. Try again shortly.' },
  failed: { status: 500, detail: 'Something went wrong here. It was logged.' },
  nas_failed: { status: 500, detail: 'The NAS failed at this.' },
  nas_bad_answer: { status: 502, detail: 'The NAS gave an answer that makes no sense.' },
  push_failed: { status: 502, detail: 'The push service of this browser did not take it.' },
  plug_unreachable: { status: 503, detail: 'The plug does not answer.' },
  restarting: { status: 503, detail: 'BaluPi is starting its flows. Try again in a moment.' },
  busy: { status: 503, detail: 'The Pi is short of memory for a moment. Try again shortly.' },
  flow_missing: {
    status: 503,
    detail: 'The flow of this address was taken out or leads to no reply. The editor has it.',
  },
  nas_asleep: { status: 503, detail: 'The NAS sleeps and this cannot be answered without it.' },
  nas_left_alone: {
    status: 503,
    detail: 'The NAS is asked for this only now and then, so that it can fall asleep.',
  },
  nas_never_seen: {
    status: 503,
    detail: 'The NAS was never seen. Wake it by hand or run `npm run wake` on the Pi.',
  },
  nas_storage_missing: {
    status: 503,
    detail: 'The NAS shows nothing of its storage. Look whether its disk is mounted.',
  },
  uploads_waiting: {
    status: 503,
    detail: 'Uploads of yours are not on the NAS yet. Sync again when they have arrived.',
  },
  clock_unsynced: { status: 503, detail: 'The clock of the Pi is not set yet. Try again shortly.' },
  handshake_off: {
    status: 503,
    detail: 'The Pi and the NAS share no secret. Set BALUPI_HANDSHAKE_SECRET.',
  },
  disk_failing: {
    status: 503,
    detail: 'The disk of the Pi refused to write. Nothing was accepted.',
  },
  deadline: { status: 504, detail: 'This took too long and was ended.' },
  gateway_timeout: { status: 504, detail: 'The NAS cannot be asked right now. Keep your tokens.' },
  pin_too_large: { status: 507, detail: 'This folder is larger than your share of the cache.' },
  share_used: { status: 507, detail: 'Your share of the room on the Pi is used up.' },
  no_room: { status: 507, detail: 'There is no room for this on the Pi.' },
} as const satisfies Record<string, { status: number; detail: string }>;

export type RefusalCode = keyof typeof REFUSALS;
