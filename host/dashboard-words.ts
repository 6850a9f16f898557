import type { RefusalCode } from '../nodes/lib/http/http.ts';
import type { Language } from '../nodes/lib/viewers/viewers.ts';

interface PageWords {
  readonly title: string;
  readonly lead: string;
  readonly username: string;
  readonly password: string;
  readonly signIn: string;
  readonly codeLead: string;
  readonly code: string;
  readonly goOn: string;
  readonly startOver: string;
  readonly wakeLead: string;
  readonly wake: string;
  readonly wakeSent: string;
  readonly starting: string;
  readonly stepOver: string;
  readonly retryIn: (seconds: number) => string;
  readonly asleepSince: (when: string) => string;
  readonly asleepWorks: string;
  readonly asleepWake: string;
  readonly notSetUp: string;
  readonly stepByStep: string;
}

/** What the pages in front of the Dashboard say. */
export const PAGE_WORDS: Readonly<Record<Language, PageWords>> = {
  en: {
    title: 'Sign in',
    lead: 'Use your account of the NAS. It may sleep.',
    username: 'Username',
    password: 'Password',
    signIn: 'Sign in',
    codeLead: 'This account has a second factor.',
    code: 'Code of six digits',
    goOn: 'Go on',
    startOver: 'Start over',
    wakeLead:
      'The NAS has not answered for your account for too long. Wake it, then sign in again.',
    wake: 'Wake the NAS',
    wakeSent: 'The NAS is being woken. Sign in again in a minute or two.',
    starting: 'BaluPi is starting its flows. This page comes back by itself.',
    stepOver: 'This took too long. Sign in again.',
    retryIn: (seconds) => `Try again in ${seconds} s.`,
    asleepSince: (when) => `The NAS has been asleep since ${when}.`,
    asleepWorks:
      'The apps go on: kept files can be read, and uploads are taken and delivered later. This page goes on to the NAS once it is up.',
    asleepWake: 'Sign in and wake it',
    notSetUp:
      'This BaluPi is not set up yet. Sign in as an admin of the NAS, or go through it step by step.',
    stepByStep: 'Set up with the setup code',
  },
  de: {
    title: 'Anmelden',
    lead: 'Mit deinem Konto auf dem NAS. Es darf schlafen.',
    username: 'Benutzername',
    password: 'Passwort',
    signIn: 'Anmelden',
    codeLead: 'Dieses Konto hat einen zweiten Faktor.',
    code: 'Code mit sechs Ziffern',
    goOn: 'Weiter',
    startOver: 'Von vorn',
    wakeLead:
      'Das NAS hat für dein Konto zu lange nicht geantwortet. Wecke es und melde dich dann neu an.',
    wake: 'NAS wecken',
    wakeSent: 'Das NAS wird geweckt. Melde dich in ein bis zwei Minuten neu an.',
    starting: 'BaluPi startet seine Flows. Diese Seite kommt von selbst wieder.',
    stepOver: 'Das hat zu lange gedauert. Melde dich neu an.',
    retryIn: (seconds) => `Versuche es in ${seconds} s noch einmal.`,
    asleepSince: (when) => `Das NAS schläft seit ${when}.`,
    asleepWorks:
      'Die Apps gehen weiter: Aufbewahrtes lässt sich lesen, Uploads werden angenommen und später geliefert. Diese Seite führt zum NAS, sobald es wach ist.',
    asleepWake: 'Anmelden und wecken',
    notSetUp:
      'Dieses BaluPi ist noch nicht eingerichtet. Melde dich als Admin des NAS an, oder geh es Schritt für Schritt durch.',
    stepByStep: 'Mit dem Einrichtungscode einrichten',
  },
};

type Sentences = Readonly<Partial<Record<RefusalCode, string>>>;

const REFUSED: Readonly<Record<Language, Sentences>> = {
  en: {
    bad_credentials: 'That is not right.',
    too_many_tries: 'Too many tries.',
    nas_asleep: 'The NAS sleeps, and the Pi does not know this account well enough yet.',
    nas_never_seen:
      'The NAS was never seen. Wake it by hand or run “npm run wake” on the Pi, then sign in.',
    nas_busy: 'The sign-ins that the NAS takes from this house in a minute are used up.',
    nas_bad_answer: 'The NAS gave an answer that makes no sense.',
    no_token: 'Sign in first.',
    not_allowed: 'This came from another page.',
    no_mac: 'No MAC address of the NAS is known. Wake it by hand.',
    already_awake: 'The NAS is awake already. Sign in again.',
  },
  de: {
    bad_credentials: 'Das stimmt nicht.',
    too_many_tries: 'Zu viele Versuche.',
    nas_asleep: 'Das NAS schläft, und der Pi kennt dieses Konto noch nicht gut genug.',
    nas_never_seen:
      'Das NAS wurde noch nie gesehen. Wecke es von Hand oder mit „npm run wake“ auf dem Pi.',
    nas_busy: 'Die Anmeldungen, die das NAS je Minute von diesem Haus annimmt, sind verbraucht.',
    nas_bad_answer: 'Das NAS hat unverständlich geantwortet.',
    no_token: 'Melde dich erst an.',
    not_allowed: 'Das kam von einer anderen Seite.',
    no_mac: 'Die MAC-Adresse des NAS ist nicht bekannt. Wecke es von Hand.',
    already_awake: 'Das NAS ist schon wach. Melde dich neu an.',
  },
};

const OTHERWISE: Readonly<Record<Language, string>> = {
  en: 'That did not work. Try again.',
  de: 'Das hat nicht geklappt. Versuche es noch einmal.',
};

/** A refusal as a person in front of the sign-in page reads it. */
export function refusalWords(
  language: Language,
  code: RefusalCode,
  retryAfterSeconds: number | undefined,
): string {
  const sentence = REFUSED[language][code] ?? OTHERWISE[language];
  if (retryAfterSeconds === undefined) return sentence;
  return `${sentence} ${PAGE_WORDS[language].retryIn(retryAfterSeconds)}`;
}
