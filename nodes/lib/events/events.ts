import {
  correctionJson,
  type CorrectionNews,
  type Energy,
  type UnusualHour,
  unusualJson,
} from '../energy/energy.ts';
import type { NasNews, NasRoom } from '../nas/nas.ts';
import type { System, SystemNews } from '../system/system.ts';
import type { PlugNews, Tapo } from '../tapo/tapo.ts';
import type { Upload, UploadNews } from '../upload/upload.ts';

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

function ofNas({ kind, sleepState }: NasNews): Told {
  return { kind, to: { audience: 'everybody' }, fields: { sleep_state: sleepState } };
}

/** Who is at home when is nobody's business but an admin's. */
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

/** Anybody who is signed in finds it in the list of corrections. */
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

/** The rooms that tell what happens in them. */
interface TellingRooms {
  readonly upload: Pick<Upload, 'onNews'>;
  readonly nas: Pick<NasRoom, 'onNews'>;
  readonly tapo: Pick<Tapo, 'onNews'>;
  readonly energy: Pick<Energy, 'onUnusual' | 'onCorrection'>;
  readonly system: Pick<System, 'onNews'>;
}

/** An event as a message of a flow. */
export function eventMessage({ kind, to, fields }: Told, at: string, language: EventLanguage) {
  const text = sentence(kind, fields, language);
  // Beside the message too: a table keeps its rows alone.
  return { topic: kind, payload: { event: kind, at, text, ...fields, ...to }, ...to };
}

/** Hears what each room tells of itself. @returns how to stop that */
export function hear(rooms: TellingRooms, tell: (told: Told) => void): () => void {
  const { upload, nas, tapo, energy, system } = rooms;
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
    energy.onUnusual((hour) => {
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

export type EventLanguage = 'en' | 'de';
type Fields = Readonly<Record<string, unknown>>;
type Words = Readonly<Record<EventLanguage, string>>;

/** What a person reads. A word in braces is a field of the event. */
const SENTENCES: Readonly<Record<Exclude<EventKind, 'disk' | 'unusual' | 'correction'>, Words>> = {
  upload_accepted: {
    en: 'Upload accepted: {path} ({username}).',
    de: 'Upload angenommen: {path} ({username}).',
  },
  upload_delivered: {
    en: 'On the NAS: {path} ({username}).',
    de: 'Auf dem NAS: {path} ({username}).',
  },
  upload_waits: {
    en: 'Not on the NAS yet: {path} ({username}). {detail}',
    de: 'Noch nicht auf dem NAS: {path} ({username}). {detail}',
  },
  upload_failed: {
    en: 'Did not get through to the NAS: {path} ({username}). {detail}',
    de: 'Nicht auf dem NAS angekommen: {path} ({username}). {detail}',
  },
  conflict: {
    en: 'Conflict: {path} ({username}) had changed on the NAS. Both versions are kept.',
    de: 'Konflikt: {path} ({username}) war auf dem NAS geändert. Beide Fassungen sind erhalten.',
  },
  nas_awake: { en: 'The NAS is awake.', de: 'Das NAS ist wach.' },
  nas_asleep: { en: 'The NAS sleeps.', de: 'Das NAS schläft.' },
  nas_goodbye: { en: 'The NAS says goodbye.', de: 'Das NAS verabschiedet sich.' },
  wake_failed: {
    en: 'The NAS could not be woken.',
    de: 'Das NAS ließ sich nicht wecken.',
  },
  update_ready: {
    en: 'Version {version} of BaluPi lies ready: sudo balupi update.',
    de: 'Version {version} von BaluPi liegt bereit: sudo balupi update.',
  },
  plug_lost: {
    en: 'The plug {name} does not answer.',
    de: 'Die Steckdose {name} antwortet nicht.',
  },
  plug_back: { en: 'The plug {name} answers again.', de: 'Die Steckdose {name} antwortet wieder.' },
  plug_switched: {
    en: 'The plug {name} was switched {side} {who}.',
    de: 'Die Steckdose {name} wurde {who} {side}geschaltet.',
  },
};

const SIDES = { true: { en: 'on', de: 'ein' }, false: { en: 'off', de: 'aus' } } as const;
const WHO: Readonly<Record<string, Words>> = {
  user: { en: 'by {by}', de: 'von {by}' },
  flow: { en: 'by a flow', de: 'von einem Flow' },
  elsewhere: { en: 'elsewhere', de: 'anderswo' },
};
const UNUSUAL: Readonly<Record<string, Words>> = {
  high: {
    en: '{device_name} takes more than usual: {power_w} W instead of {usual_power_w} W.',
    de: '{device_name} braucht mehr als üblich: {power_w} W statt {usual_power_w} W.',
  },
  low: {
    en: '{device_name} takes less than usual: {power_w} W instead of {usual_power_w} W.',
    de: '{device_name} braucht weniger als üblich: {power_w} W statt {usual_power_w} W.',
  },
  usual: {
    en: '{device_name} takes as much as usual again: {power_w} W.',
    de: '{device_name} braucht wieder so viel wie üblich: {power_w} W.',
  },
};
const HOUSEHOLD: Words = { en: 'The household', de: 'Der Haushalt' };
const DISK: Readonly<Record<string, Words>> = {
  ok: { en: 'The disk has room again.', de: 'Die Platte hat wieder Platz.' },
  low: { en: 'The disk is nearly full.', de: 'Die Platte ist fast voll.' },
  full: { en: 'The disk is full.', de: 'Die Platte ist voll.' },
  failing: { en: 'The disk refuses to write.', de: 'Die Platte lässt sich nicht beschreiben.' },
};
const CORRECTED: Readonly<Record<string, Words>> = {
  false: {
    en: '{by} put the energy of {device_name} right, from {from} to {to}.',
    de: '{by} hat die Energie von {device_name} berichtigt, von {from} bis {to}.',
  },
  true: {
    en: '{by} took back a correction of {device_name}, from {from} to {to}.',
    de: '{by} hat eine Berichtigung von {device_name} zurückgenommen, von {from} bis {to}.',
  },
};

/** An event in words for a person. */
export function sentence(kind: EventKind, fields: Fields, language: EventLanguage): string {
  return filled(patternOf(kind, fields)[language], spoken(fields, language)).trim();
}

function patternOf(kind: EventKind, fields: Fields): Words {
  if (kind === 'disk') {
    return DISK[String(fields['state'])] ?? { en: 'Disk: {state}.', de: 'Platte: {state}.' };
  }
  if (kind === 'unusual') {
    return UNUSUAL[String(fields['level'])] ?? { en: '{level}', de: '{level}' };
  }
  if (kind === 'correction') {
    return CORRECTED[String(fields['is_undone'])] ?? { en: '', de: '' };
  }
  return SENTENCES[kind];
}

function spoken(fields: Fields, language: EventLanguage): Fields {
  const who = WHO[String(fields['how'])]?.[language] ?? '';
  const side = fields['is_on'] === true ? SIDES.true : SIDES.false;
  const name = fields['device_name'] ?? HOUSEHOLD[language];
  return { ...fields, device_name: name, side: side[language], who: filled(who, fields) };
}

function filled(pattern: string, fields: Fields): string {
  return pattern.replace(/\{(\w+)\}/g, (_gap, name: string) => {
    const value = fields[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  });
}
