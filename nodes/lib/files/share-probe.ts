import type { User } from '../accounts/caller.ts';
import type { NasClient, NasDownload } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
import type { FileVersion } from './file-version.ts';
import { Recent } from './recent.ts';
import type { ShareGrants } from './share-grants.ts';

/** As for listings (contract 3). */
const PROBE_EVERY_MS = 10_000;
const MOST_FILES = 500;

/** What a one-byte read told of a file. */
export type Probed =
  | { readonly kind: 'version'; readonly version: FileVersion; readonly mimeType: string | null }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'token_refused' }
  | { readonly kind: 'nas_busy' }
  | { readonly kind: 'nas_bad_answer' }
  | { readonly kind: 'cannot_ask' };

export interface ShareProbePorts {
  readonly nas: Pick<NasClient, 'download'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly tokenRefused: (token: string) => void;
  readonly grants: Pick<ShareGrants, 'refused'>;
}

/**
 * The version of a single shared file. Its folder cannot be listed by the user it is shared with,
 * and "Shared with me" shows neither its checksum nor its own time (docs/NAS.md); a read of its
 * first byte tells size and entity tag.
 */
export class ShareProbe {
  readonly #ports: ShareProbePorts;
  readonly #recent: Recent<Probed>;

  constructor(ports: ShareProbePorts) {
    this.#ports = ports;
    this.#recent = new Recent(ports.clock, MOST_FILES);
  }

  async probe(user: User, token: string, path: string, force: boolean): Promise<Probed> {
    const key = `${user.id}\0${path}`;
    const known = force ? undefined : this.#recent.get(key, PROBE_EVERY_MS);
    if (known !== undefined) return known;
    const answer = await this.#ports.nas.download(token, path, { firstByte: 0, lastByte: 0 });
    const probed = probedOf(answer);
    if (probed.kind === 'token_refused') this.#ports.tokenRefused(token);
    if (probed.kind === 'not_found') await this.#ports.grants.refused(user, token, path);
    if (probed.kind === 'version' || probed.kind === 'not_found') this.#recent.set(key, probed);
    return probed;
  }

  forget(): void {
    this.#recent.forget(() => true);
  }
}

function probedOf(answer: NasDownload): Probed {
  if (answer.kind === 'unreachable') return { kind: 'cannot_ask' };
  if (answer.kind === 'bad_answer') {
    return answer.status >= 500 ? { kind: 'cannot_ask' } : { kind: 'nas_bad_answer' };
  }
  if (answer.kind === 'stream') {
    answer.body.on('error', () => undefined).destroy();
    return found(answer.sizeBytes, answer.etag, answer.lastModified, answer.contentType);
  }
  switch (answer.status) {
    case 401:
      return { kind: 'token_refused' };
    case 429:
      return { kind: 'nas_busy' };
    case 416:
      // An empty file refuses every range (measured).
      return found(0, null, null, null);
    default:
      return answer.status >= 500 ? { kind: 'cannot_ask' } : { kind: 'not_found' };
  }
}

function found(
  sizeBytes: number,
  etag: string | null,
  lastModified: string | null,
  mimeType: string | null,
): Probed {
  const parsedMs = Date.parse(lastModified ?? '');
  const modifiedAtMs = Number.isNaN(parsedMs) ? 0 : parsedMs;
  const modifiedAtText = new Date(modifiedAtMs).toISOString();
  const version = { sizeBytes, modifiedAtMs, modifiedAtText, checksum: null, etag };
  return { kind: 'version', version, mimeType };
}
