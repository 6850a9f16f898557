import {
  correctionJson,
  type CorrectionNews,
  type Energy,
  type UnusualHour,
  unusualJson,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import type { NasNews, NasService } from '../nas/nas.ts';
import type { System, SystemNews } from '../system/system.ts';
import type {
  PlugNews,
  Tapo,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { Upload, UploadNews } from '../upload/upload.ts';
import { type Catalogue, type Language, WORDS } from '../words/words.ts';

/** Who may see an event: one user, admins, or everybody signed in. */
export type Audience =
  | { readonly audience: 'everybody' | 'admins' }
  | { readonly audience: 'user'; readonly username: string };

/** What leaves the node, without the time and the sentence. */
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

function ofNas({ kind, sleepState }: NasNews): Told {
  return { kind, to: { audience: 'everybody' }, fields: { sleep_state: sleepState } };
}

/** Who is at home when is private, except to admins. */
function ofPlug(news: PlugNews): Told {
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

function ofUnusual(hour: UnusualHour): Told {
  return { kind: 'unusual', to: { audience: 'everybody' }, fields: unusualJson(hour) };
}

function ofSystem(news: SystemNews): Told {
  const to = { audience: 'admins' } as const;
  if (news.kind === 'update_ready')
    return { kind: news.kind, to, fields: { version: news.version } };
  const { kind, state, freeBytes } = news;
  return { kind, to, fields: { state, free_bytes: freeBytes } };
}

/** Everybody signed in can find it in the list of corrections. */
function ofCorrection({ kind, isUndone, correction, by }: CorrectionNews): Told {
  return {
    kind,
    to: { audience: 'everybody' },
    fields: { ...correctionJson(correction), is_undone: isUndone, by },
  };
}

/** Everything that can be chosen in the node, in the order of its dialog. */
export const EVENT_KINDS = [
  'upload_accepted',
  'upload_delivered',
  'upload_waits',
  'upload_failed',
  'conflict',
  'nas_awake',
  'nas_asleep',
  'nas_goodbye',
  'wake_failed',
  'plug_lost',
  'plug_back',
  'plug_switched',
  'unusual',
  'disk',
  'update_ready',
  'correction',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** The services that report events. */
interface TellingServices {
  readonly upload: Pick<Upload, 'onNews'>;
  readonly nas: Pick<NasService, 'onNews'>;
  readonly tapo: Pick<Tapo, 'onNews'>;
  readonly energy: Pick<Energy, 'onCorrection'> & {
    readonly unusual: Pick<Energy['unusual'], 'listen'>;
  };
  readonly system: Pick<System, 'onNews'>;
}

/** An event as a message of a flow. */
export function eventMessage({ kind, to, fields }: Told, at: string, language: Language) {
  const text = sentence(kind, fields, language);
  const about = { text, brief: brief(kind, language) ?? text };
  // Also outside of the payload: a table keeps only its rows.
  return { topic: kind, payload: { event: kind, at, ...about, ...fields, ...to }, ...to };
}

/**
 * Subscribes to what each module reports.
 * @returns how to unsubscribe
 */
export function hear(services: TellingServices, tell: (told: Told) => void): () => void {
  const { upload, nas, tapo, energy, system } = services;
  const stops = [
    upload.onNews((news) => {
      tell(ofUpload(news));
    }),
    nas.onNews((news) => {
      tell(ofNas(news));
    }),
    tapo.onNews((news) => {
      tell(ofPlug(news));
    }),
    energy.unusual.listen((hour) => {
      tell(ofUnusual(hour));
    }),
    energy.onCorrection((news) => {
      tell(ofCorrection(news));
    }),
    system.onNews((news) => {
      tell(ofSystem(news));
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** An event in words for a person. A word in braces is a field of the event. */
export function sentence(kind: EventKind, fields: Fields, language: Language): string {
  const words = WORDS.of(language).events;
  const sentences: Readonly<Record<string, string>> = words;
  const pattern = sentences[keyOf(kind, fields)] ?? '';
  return put(pattern, { ...fields, ...spoken(fields, words) }).trim();
}

/**
 * The short form for those who may know that something happened but not to whom or what; null where
 * everybody may know it all.
 */
function brief(kind: EventKind, language: Language): string | null {
  const sentences: Readonly<Record<string, string>> = WORDS.of(language).events;
  return sentences[`brief_${kind}`] ?? null;
}

/** Some kinds have a sentence for each state they report. */
function keyOf(kind: EventKind, fields: Fields): string {
  if (kind === 'disk') return `disk_${String(fields['state'])}`;
  if (kind === 'unusual') return `unusual_${String(fields['level'])}`;
  if (kind !== 'correction') return kind;
  return fields['is_undone'] === true ? 'correction_undone' : 'corrected';
}

function spoken(fields: Fields, words: Catalogue['events']): Fields {
  const by: Readonly<Record<string, string>> = words;
  const who = by[`by_${String(fields['how'])}`] ?? '';
  return {
    device_name: fields['device_name'] ?? words.household,
    side: fields['is_on'] === true ? words.switched_on : words.switched_off,
    who: put(who, fields),
  };
}

/** A field that an event does not have leaves nothing behind. */
function put(pattern: string, fields: Fields): string {
  return pattern.replace(/\{(\w+)\}/g, (_gap, name: string) => {
    const value = fields[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  });
}
