import type { EventKind } from './event-kinds.ts';

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
