/**
 * Why a call to the NAS came to nothing.
 * - `refused`: no connection (refused, no route, unknown name)
 * - `timeout`: silent for too long while connecting, before the first byte or in the middle
 * - `cut`: the connection ended before the answer did
 * - `tls`: another certificate than the pinned one, or none that can be trusted
 * - `mismatch`: another machine holds the NAS's address; nothing was sent
 * - `protocol`: what came back is not HTTP, or its head is too large
 * - `aborted`: the caller gave up
 * - `body`: what was to be sent could not be read, or had another length than announced
 */
export type NasFailure =
  'refused' | 'timeout' | 'cut' | 'tls' | 'mismatch' | 'protocol' | 'aborted' | 'body';

const SENTENCES: Readonly<Record<NasFailure, string>> = {
  refused: 'The NAS takes no connection.',
  timeout: 'The NAS was silent for too long.',
  cut: 'The NAS ended the connection before its answer was complete.',
  tls: 'The certificate at the address of the NAS is not the expected one.',
  mismatch: 'Another machine holds the address of the NAS.',
  protocol: 'The NAS gave an answer that is not HTTP.',
  aborted: 'The call to the NAS was given up by its caller.',
  body: 'What was to be sent to the NAS could not be read in full.',
};

/** A failed call, as a value in an outcome or as the error of a body that broke off. */
export class NasCallError extends Error {
  readonly code: NasFailure;

  constructor(code: NasFailure, cause?: unknown) {
    super(SENTENCES[code], cause === undefined ? {} : { cause });
    this.name = 'NasCallError';
    this.code = code;
  }
}

/** Node's error codes of a certificate that is not trusted. */
const TLS_CODES = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_)/;
const CONNECT_CODES = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENOTFOUND|EAI_|EADDRNOT)/;

/** Sorts what Node's sockets and parser throw into the failures above. */
export function asNasCallError(error: unknown): NasCallError {
  if (error instanceof NasCallError) return error;
  const code = codeOf(error);
  if (TLS_CODES.test(code)) return new NasCallError('tls', error);
  if (CONNECT_CODES.test(code)) return new NasCallError('refused', error);
  if (code === 'ETIMEDOUT') return new NasCallError('timeout', error);
  if (code.startsWith('HPE_INVALID_EOF')) return new NasCallError('cut', error);
  if (/^(HPE_|ERR_INVALID|ERR_UNESCAPED|ERR_HTTP)/.test(code)) {
    return new NasCallError('protocol', error);
  }
  return new NasCallError('cut', error);
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return String(error.code);
}
