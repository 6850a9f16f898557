import { type EventKind, sentence, type Told } from '../events/events.ts';
import { filled, type Language, WORDS } from '../words/words.ts';

/** A plug or the disk is a single thing; conflicts and uploads are several. */
const SEVERAL: ReadonlySet<NoticeKind> = new Set(['conflict', 'upload_failed']);

/** A screen shows three lines; a push service takes 4 KB. */
const LONGEST = 400;
const NOTICES_PAGE = '/dashboard/notices';

/** What the service worker of the pages is sent, as JSON. */
interface Shown {
  readonly title: string;
  readonly body: string;
  readonly lang: Language;
  /** A later message with the same tag replaces it on the screen. */
  readonly tag: string;
  /** Which page opens on a click. */
  readonly url: string;
}

/** @param count how often it happened since the last message on the topic */
export function noticeText({ kind, facts, topic, count }: NoticeOf, language: Language): string {
  const said = kind === 'flow' ? String(facts['text']) : sentence(kind, facts, language);
  const words = WORDS.of(language).notices;
  const title = kind === 'flow' ? String(facts['title']) : words[kind];
  const n = SEVERAL.has(kind) ? count - 1 : count;
  const more = count > 1 ? ` ${filled(SEVERAL.has(kind) ? words.more : words.again, { n })}` : '';
  const body = cut(said, LONGEST - more.length) + more;
  return json({ title, body, tag: topic, url: PAGE_OF[kind] }, language);
}

interface NoticeOf {
  readonly kind: NoticeKind;
  readonly facts: Facts;
  readonly topic: string;
  readonly count: number;
}

export function testText(language: Language): string {
  const { test_title: title, test_body: body } = WORDS.of(language).notices;
  return json({ title, body, tag: 'test', url: NOTICES_PAGE }, language);
}

/** The last thing a browser hears whose user was signed out elsewhere. */
export function endedText(language: Language): string {
  const { ended_title: title, ended_body: body } = WORDS.of(language).notices;
  return json({ title, body, tag: 'ended', url: NOTICES_PAGE }, language);
}

function json(shown: Omit<Shown, 'lang'>, lang: Language): string {
  return JSON.stringify({ ...shown, lang } satisfies Shown);
}

/** The end of a path tells more than its middle. */
function cut(text: string, most: number): string {
  const chars = [...text];
  if (chars.length <= most) return text;
  const tail = Math.floor(most / 2);
  return `${chars.slice(0, most - tail - 1).join('')}…${chars.slice(-tail).join('')}`;
}

/** What a person can be notified of, in the order of the page. */
const NOTICE_KINDS = [
  'wake_failed',
  'conflict',
  'upload_failed',
  'plug_lost',
  'unusual',
  'disk',
  'update_ready',
  /** The message of a flow of the owner's. */
  'flow',
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** What a notification says of an event, as its flow gets it. */
export type Facts = Readonly<Record<string, unknown>>;

/** Only admins may be notified of these (`events.ts`). */
const ADMINS: ReadonlySet<NoticeKind> = new Set(['disk', 'update_ready']);

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** For this long nothing more is sent on the same topic; further events are counted. */
export const PAUSE_MS: Readonly<Record<NoticeKind, number>> = {
  wake_failed: HOUR_MS,
  conflict: 15 * MINUTE_MS,
  upload_failed: 15 * MINUTE_MS,
  plug_lost: 6 * HOUR_MS,
  unusual: 3 * HOUR_MS,
  disk: 6 * HOUR_MS,
  update_ready: 24 * HOUR_MS,
  flow: MINUTE_MS,
};

/** The page where a person sees more and can act. */
const PAGE_OF: Readonly<Record<NoticeKind, string>> = {
  wake_failed: '/dashboard/nas',
  conflict: '/dashboard/uploads',
  upload_failed: '/dashboard/uploads',
  plug_lost: '/dashboard/plugs',
  unusual: '/dashboard/energy',
  disk: '/dashboard/system',
  update_ready: '/dashboard/system',
  flow: '/dashboard/',
};

export function isNoticeKind(kind: string): kind is NoticeKind {
  return NOTICE_KINDS.some((known) => known === kind);
}

/** Everything a person may be notified of. */
export function kindsFor(role: string): readonly NoticeKind[] {
  return NOTICE_KINDS.filter((kind) => role === 'admin' || !ADMINS.has(kind));
}

/**
 * What an event means for messages: a new one is due, those of a topic are outdated, or nothing.
 */
type Meaning =
  | { readonly kind: 'notice'; readonly notice: NoticeKind; readonly topic: string }
  | { readonly kind: 'over'; readonly topic: string }
  | { readonly kind: 'nothing' };

/** Recoveries are not announced; they only cancel unsent messages about the trouble. */
const ENDS: Readonly<Partial<Record<EventKind, NoticeKind>>> = {
  nas_awake: 'wake_failed',
  plug_back: 'plug_lost',
};

export function meaningOf({ kind, fields }: Told): Meaning {
  const subject = subjectOf(kind, fields);
  const ends = ENDS[kind];
  if (ends !== undefined) return { kind: 'over', topic: topicOf(ends, subject) };
  if (!isNoticeKind(kind)) return { kind: 'nothing' };
  const isWell =
    (kind === 'disk' && fields['state'] === 'ok') ||
    (kind === 'unusual' && fields['level'] === 'usual');
  const topic = topicOf(kind, subject);
  return isWell ? { kind: 'over', topic } : { kind: 'notice', notice: kind, topic };
}

function topicOf(kind: NoticeKind, subject: string): string {
  return subject === '' ? kind : `${kind} ${subject}`;
}

function subjectOf(kind: EventKind, fields: Facts): string {
  const isOfPlug = kind === 'plug_lost' || kind === 'plug_back' || kind === 'unusual';
  const subject = isOfPlug ? fields['device_id'] : fields['version'];
  return typeof subject === 'string' ? subject : '';
}
