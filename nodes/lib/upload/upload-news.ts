import type { ChangeKind } from './change-row.ts';

/** What happened to an upload or a change of somebody's. Nobody else may hear of it but an admin. */
export interface UploadNews {
  readonly kind: 'upload_accepted' | 'upload_delivered' | 'upload_failed' | 'conflict';
  readonly userId: number;
  readonly username: string;
  /** The upload's or the change's id. */
  readonly id: string;
  /** What was wanted. */
  readonly what: 'upload' | ChangeKind;
  /** Where it was to go; where it lies now, once it was delivered. */
  readonly path: string;
  /** Of a conflict of an upload: where it lies beside its place. */
  readonly conflictPath: string | null;
  /** Null of a change. */
  readonly sizeBytes: number | null;
  /** Why it failed or differs, in an English sentence. */
  readonly detail: string | null;
}

/** An upload, however far it is. */
interface AnyUpload {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export function newsOfUpload(
  kind: UploadNews['kind'],
  { id, userId, username, path, sizeBytes }: AnyUpload,
  more: Partial<Pick<UploadNews, 'path' | 'conflictPath' | 'detail'>> = {},
): UploadNews {
  const upload = { id, userId, username, path, sizeBytes };
  return { kind, what: 'upload', ...upload, conflictPath: null, detail: null, ...more };
}

export function newsOfChange(
  kind: 'upload_failed' | 'conflict',
  change: Omit<AnyUpload, 'sizeBytes'> & { readonly kind: ChangeKind },
  detail: string,
): UploadNews {
  const { id, userId, username, path } = change;
  const of = { id, userId, username, path, what: change.kind };
  return { kind, ...of, conflictPath: null, sizeBytes: null, detail };
}
