import {
  type CorrectionNews,
  correctionJson,
  type UnusualHour,
  unusualJson,
} from '../energy/energy.ts';
import type { NasNews } from '../nas/nas.ts';
import type { SystemNews } from '../system/system.ts';
import type { PlugNews } from '../tapo/tapo.ts';
import type { UploadNews } from '../upload/upload.ts';
import type { EventKind } from './event-kinds.ts';

/** Who may know of an event: one user, whoever is an admin, or everybody who is signed in. */
export type Audience =
  | { readonly audience: 'everybody' | 'admins' }
  | { readonly audience: 'user'; readonly username: string };

/** What leaves the node, less the time and the sentence. */
export interface Told {
  readonly kind: EventKind;
  readonly to: Audience;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function ofUpload(news: UploadNews): Told {
  const { kind, username, path, id, what, conflictPath, sizeBytes, detail } = news;
  return {
    kind,
    to: { audience: 'user', username },
    fields: {
      ...{ username, path, id, what, conflict_path: conflictPath },
      ...{ size_bytes: sizeBytes, detail },
    },
  };
}

export function ofNas({ kind, sleepState }: NasNews): Told {
  return { kind, to: { audience: 'everybody' }, fields: { sleep_state: sleepState } };
}

/** Who is at home when is nobody's business but an admin's. */
export function ofPlug(news: PlugNews): Told {
  const { kind, id, name } = news;
  const fields = { device_id: id, name };
  if (kind !== 'plug_switched') return { kind, to: { audience: 'everybody' }, fields };
  const { isOn, by } = news;
  const username = by.how === 'user' ? by.username : null;
  return {
    kind,
    to: { audience: 'admins' },
    fields: { ...fields, is_on: isOn, how: by.how, by: username },
  };
}

export function ofUnusual(hour: UnusualHour): Told {
  return { kind: 'unusual', to: { audience: 'everybody' }, fields: unusualJson(hour) };
}

export function ofSystem(news: SystemNews): Told {
  const to = { audience: 'admins' } as const;
  if (news.kind === 'update_ready')
    return { kind: news.kind, to, fields: { version: news.version } };
  const { kind, state, freeBytes } = news;
  return { kind, to, fields: { state, free_bytes: freeBytes } };
}

/** Anybody who is signed in finds it in the list of corrections. */
export function ofCorrection({ kind, isUndone, correction, by }: CorrectionNews): Told {
  return {
    kind,
    to: { audience: 'everybody' },
    fields: { ...correctionJson(correction), is_undone: isUndone, by },
  };
}
