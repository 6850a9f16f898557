import type { TapoDevice } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { type Catalogue, filled, type Language, WORDS } from '../../nodes/lib/words/words.ts';
import {
  asleepPage,
  sentencePage,
  codePage as secondFactorPage,
  signInPage,
  startingPage,
  wakePage,
} from '../../host/dashboard-pages.ts';
import {
  accountPage,
  adminPage,
  type Base,
  codePage,
  donePage,
  zonePage,
  indexPage,
  keysPage,
  type NasShown,
  nasPage,
  plugsPage,
  pricePage,
  restartPage,
} from '../../host/setup/setup-pages.ts';

const URL = 'http://192.168.178.53';
const MAC = '02:00:5e:00:53:01';

/** Every state of the pages of setup, settings and sign-in, by name. */
export function pageStates(language: Language): ReadonlyMap<string, string> {
  const words = WORDS.of(language).setup;
  const both = (['setup', 'settings'] as const).flatMap((base) => sections(language, base));
  const none = { house: 'UTC', nas: '–', account: words.accountNone, plugs: '–' };
  const told = { ...none, price: '30 ct', keys: '–' };
  const signIn = { language, fault: null, next: '/dashboard' };
  return new Map([
    ['code', codePage(language, null)],
    ['code, a wrong one', codePage(language, words.codeWrong)],
    ['code, too many', codePage(language, filled(words.tooMany, { seconds: 42 }))],
    ...both,
    ['admin', adminPage(language, null)],
    ['admin, none', adminPage(language, filled(words.notAdmin, { name: 'alice' }))],
    ['done', donePage(language)],
    ['starting again', restartPage(language, '/dashboard/setup/admin')],
    ['settings', indexPage(language, told)],
    ['for admins only', sentencePage(language, words.adminsOnly)],
    ['sign-in', signInPage(signIn)],
    ['sign-in, refused', signInPage({ ...signIn, fault: 'No.', username: 'alice' })],
    ['sign-in, not set up', signInPage({ ...signIn, isSetupOpen: true })],
    ['second factor', secondFactorPage({ ...signIn, fault: 'No.', step: '1' })],
    ['flows starting', startingPage(language)],
    ['the NAS asleep', asleepPage(language, 'Monday, 09:00')],
    ['wake', wakePage(language, 'ticket')],
  ]);
}

function sections(language: Language, base: Base): [string, string][] {
  const words = WORDS.of(language).setup;
  const plain = { language, base, asksAgain: base === 'settings', outranked: [] };
  const bad = { ...plain, fault: words.tooOften };
  const good = { ...plain, good: words.priceSaved };
  const outranked = { ...plain, outranked: ['BALUPI_ONE', 'BALUPI_OTHER'] };
  const plugs = { hasAccount: true, plugs: PLUGS };
  const states: [string, string][] = [
    ['house', zonePage({ ...plain, zone: 'Europe/Berlin' })],
    ['house, refused', zonePage({ ...bad, zone: 'Europe/Berlin' })],
    ['house, outranked', zonePage({ ...outranked, zone: 'Europe/Berlin' })],
    ...nasStates(plain, words).map(([name, shown]): [string, string] => [name, nasPage(shown)]),
    ['account', accountPage({ ...plain, hasAccount: false })],
    ['account, refused', accountPage({ ...bad, hasAccount: true })],
    ['account, taken', accountPage({ ...good, hasAccount: true })],
    ['account, outranked', accountPage({ ...outranked, hasAccount: true })],
    ['plugs, none', plugsPage({ ...bad, hasAccount: false, plugs: [] })],
    ['plugs', plugsPage({ ...good, ...plugs })],
    ['price', pricePage({ ...plain, cents: '31.5' })],
    ['price, refused', pricePage({ ...bad, cents: '31.5' })],
    ['price, saved', pricePage({ ...good, cents: '31.5' })],
    ['price, outranked', pricePage({ ...outranked, cents: '31.5' })],
    ['keys, none', keysPage({ ...bad, keys: [] })],
    ['keys', keysPage({ ...good, keys: KEYS })],
  ];
  return states.map(([name, html]) => [`${base}: ${name}`, html]);
}

type Plain = Pick<NasShown, 'language' | 'base' | 'asksAgain' | 'outranked'>;

function nasStates(
  plain: Plain,
  words: Catalogue['setup'],
): readonly (readonly [string, NasShown])[] {
  const now = { state: 'asleep', version: '1.2.3', mac: MAC };
  const blank = { state: 'never_seen', version: null, mac: null };
  const unknown = { ...plain, url: null, now: blank, typed: '', found: [], silent: null };
  const known = { ...unknown, url: URL, now, typed: URL };
  const found = { url: URL, version: '1.2.3', macAddress: MAC, fingerprint: null };
  const other = { ...found, url: 'https://192.168.178.54', macAddress: null };
  const secure = { ...other, fingerprint: 'ab'.repeat(32) };
  const silent = { url: URL, macAddress: null };
  return [
    ['nas, unknown', unknown],
    ['nas, known', known],
    ['nas, none found', { ...unknown, fault: words.nasNone }],
    ['nas, one found', { ...unknown, found: [found] }],
    ['nas, several found', { ...known, found: [found, secure] }],
    ['nas, silent', { ...unknown, fault: words.nasSilent, silent }],
    ['nas, outranked', { ...known, outranked: ['BALUPI_NAS_URL'] }],
  ];
}

const KEY = { username: 'alice', lastUsedMs: 0, expiresAtMs: null, createdAtMs: 0, detail: null };
const KEYS = [
  { ...KEY, kind: 'api_key', state: 'ok' },
  { ...KEY, kind: 'device', state: 'revoked' },
] as const;

const CORNER: TapoDevice = {
  ...{ id: 'one', name: 'Corner', ipAddress: '192.168.178.60', macAddress: MAC, model: 'P110' },
  ...{ role: 'nas', isOnline: true, isOn: true, firmware: '1.3.0', lastSeenMs: 0, state: 'ok' },
  ...{ stateHint: '', oldProtocol: null, deviceNumber: 1, addedAtMs: 0 },
};
const GONE: Partial<TapoDevice> = { state: 'unreachable', stateHint: 'It is gone.' };
const PLUGS = [
  CORNER,
  { ...CORNER, id: 'two', name: 'Kitchen', role: 'monitor', ...GONE },
] as const;
