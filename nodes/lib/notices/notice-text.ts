import { type EventLanguage, sentence } from '../events/events.ts';
import { type Facts, type NoticeKind, PAGE_OF } from './notice-kinds.ts';

type Words = Readonly<Record<EventLanguage, string>>;

const TITLES: Readonly<Record<Exclude<NoticeKind, 'flow'>, Words>> = {
  wake_failed: { en: 'The NAS does not wake', de: 'Das NAS wacht nicht auf' },
  conflict: { en: 'Conflict', de: 'Konflikt' },
  upload_failed: { en: 'Upload failed', de: 'Upload gescheitert' },
  plug_lost: { en: 'Plug lost', de: 'Steckdose verloren' },
  unusual: { en: 'Unusual consumption', de: 'Ungewöhnlicher Verbrauch' },
  disk: { en: 'Disk of the Pi', de: 'Platte des Pi' },
  update_ready: { en: 'Update ready', de: 'Aktualisierung bereit' },
};
const MORE: Words = { en: 'And {n} more.', de: 'Und {n} weitere.' };
const AGAIN: Words = { en: '{n} times since the last message.', de: '{n}-mal seit der letzten.' };
/** A plug or the disk is one thing; conflicts and uploads are several. */
const SEVERAL: ReadonlySet<NoticeKind> = new Set(['conflict', 'upload_failed']);

const TEST: Readonly<Record<'title' | 'body', Words>> = {
  title: { en: 'A test', de: 'Ein Test' },
  body: { en: 'Messages of BaluPi arrive here.', de: 'Nachrichten von BaluPi kommen hier an.' },
};
const ENDED: Readonly<Record<'title' | 'body', Words>> = {
  title: { en: 'No more messages here', de: 'Keine Nachrichten mehr' },
  body: {
    en: 'You were signed out. Sign in and open the page Notifications to get them again.',
    de: 'Du wurdest abgemeldet. Melde dich an und öffne die Seite Nachrichten, um sie wieder zu bekommen.',
  },
};

/** A screen shows three lines; a push service takes 4 KB. */
const LONGEST = 400;
const NOTICES_PAGE = '/dashboard/notices';

/** What the service worker of the pages is sent, as JSON. */
interface Shown {
  readonly title: string;
  readonly body: string;
  readonly lang: EventLanguage;
  /** A later one of the same takes its place on the screen. */
  readonly tag: string;
  /** Which page opens at a click. */
  readonly url: string;
}

/** @param count how often it happened since the last message of the same */
export function noticeText(
  { kind, facts, topic, count }: NoticeOf,
  language: EventLanguage,
): string {
  const said = kind === 'flow' ? String(facts['text']) : sentence(kind, facts, language);
  const title = kind === 'flow' ? String(facts['title']) : TITLES[kind][language];
  const words = SEVERAL.has(kind) ? MORE[language] : AGAIN[language];
  const n = SEVERAL.has(kind) ? count - 1 : count;
  const more = count > 1 ? ` ${words.replace('{n}', String(n))}` : '';
  const body = cut(said, LONGEST - more.length) + more;
  return json({ title, body, tag: topic, url: PAGE_OF[kind] }, language);
}

interface NoticeOf {
  readonly kind: NoticeKind;
  readonly facts: Facts;
  readonly topic: string;
  readonly count: number;
}

export function testText(language: EventLanguage): string {
  return own(TEST, 'test', language);
}

/** The last thing a browser hears whose user was signed out elsewhere. */
export function endedText(language: EventLanguage): string {
  return own(ENDED, 'ended', language);
}

function own(
  words: Readonly<Record<'title' | 'body', Words>>,
  tag: string,
  language: EventLanguage,
): string {
  const [title, body] = [words.title[language], words.body[language]];
  return json({ title, body, tag, url: NOTICES_PAGE }, language);
}

function json(shown: Omit<Shown, 'lang'>, lang: EventLanguage): string {
  return JSON.stringify({ ...shown, lang } satisfies Shown);
}

/** The end of a path tells more than its middle. */
function cut(text: string, most: number): string {
  const chars = [...text];
  if (chars.length <= most) return text;
  const tail = Math.floor(most / 2);
  return `${chars.slice(0, most - tail - 1).join('')}…${chars.slice(-tail).join('')}`;
}
