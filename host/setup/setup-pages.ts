import type { CredentialView } from '../../nodes/lib/accounts/accounts.ts';
import type { TapoDevice } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { type Catalogue, filled, type Language, WORDS } from '../../nodes/lib/words/words.ts';
import { escaped, fault, hidden, page } from '../dashboard-pages.ts';
import type { FoundNas } from '../nas-finder.ts';

/** In the order of the guided setup. */
export const STEPS = ['house', 'nas', 'admin', 'account', 'plugs', 'price', 'done'] as const;
export type Step = (typeof STEPS)[number];

/** The pages of the settings. */
export const SECTIONS = ['house', 'nas', 'account', 'plugs', 'price', 'keys'] as const;
export type Section = (typeof SECTIONS)[number];

/** Where a section is shown: as a step of the guided setup, or below the settings. */
export type Base = 'setup' | 'settings';

/** Parameters of every section's page. */
export interface Shown {
  readonly language: Language;
  readonly base: Base;
  /** What went wrong, or well, in the reader's language. */
  readonly fault?: string;
  readonly good?: string;
  /** Whether a change asks for the reader's password again. */
  readonly asksAgain: boolean;
  /** Names, with their prefix, of settings that the environment sets. */
  readonly outranked: readonly string[];
}

export function titleOf(words: Catalogue['setup'], step: Step | Section): string {
  return words[`${step}Title`];
}

/** The next step. */
export function after(step: Step): Step {
  return STEPS[STEPS.indexOf(step) + 1] ?? 'done';
}

/** For a browser that has not entered the code. */
export function codePage(language: Language, problem: string | null): string {
  const words = WORDS.of(language).setup;
  const body = `<h2>${escaped(words.codeTitle)}</h2><p>${escaped(words.codeLead)}</p>${fault(problem)}
<form method="post" action="/dashboard/setup">
<label>${escaped(words.code)}<input name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="32" placeholder="ABCDE-FGHJK" required autofocus></label>
<button>${escaped(words.goOn)}</button></form>
<hr><p>${escaped(words.hasAccount)}</p><a href="/dashboard/sign-in?account=1">${escaped(words.signIn)}</a>`;
  return page({ language, body, title: words.setup });
}

/** Language of the browser and time zone. */
export function zonePage(shown: Shown & { readonly zone: string }): string {
  const words = WORDS.of(shown.language).setup;
  const zones = [...new Set([shown.zone, 'UTC', ...Intl.supportedValuesOf('timeZone')])].sort();
  const isSet = shown.outranked.length > 0;
  const zoneField = `<label>${escaped(words.zone)}<select name="zone"${isSet ? ' disabled' : ''}>${options(zones, shown.zone)}</select></label>`;
  const languages = `<label>${escaped(words.language)}<select name="language">${languageOptions(shown.language)}</select></label>`;
  const button = shown.base === 'setup' ? words.goOn : words.save;
  return section(
    shown,
    'house',
    `${outranked(shown)}<form method="post">${languages}${zoneField}<button>${escaped(button)}</button></form>`,
  );
}

export interface NasShown extends Shown {
  readonly url: string | null;
  /** The NAS's state as this BaluPi sees it; null if not asked about this address yet. */
  readonly now: {
    readonly state: string;
    readonly version: string | null;
    readonly mac: string | null;
  };
  readonly typed: string;
  readonly found: readonly FoundNas[];
  /** An address that did not answer; it may be used all the same. */
  readonly silent: { readonly url: string; readonly macAddress: string | null } | null;
}

/** Find or enter the NAS. */
export function nasPage(shown: NasShown): string {
  const words = WORDS.of(shown.language).setup;
  const ask =
    shown.outranked.length > 0
      ? ''
      : `<form method="post"><label>${escaped(words.nasAddress)}<input name="url" value="${escaped(shown.typed)}" inputmode="url" autocapitalize="none" spellcheck="false" maxlength="200" placeholder="192.168.178.53"></label>
<button name="do" value="ask">${escaped(words.nasAsk)}</button>
<button class="other" name="do" value="find">${escaped(words.nasFind)}</button>
${shown.base === 'setup' ? laterButton(words) : ''}</form>`;
  const skip = shown.base === 'setup' && ask === '' ? skipForm(words) : '';
  return section(
    shown,
    'nas',
    `${nasNow(shown, words)}${outranked(shown)}${candidates(shown, words)}${ask}${skip}`,
  );
}

function skipForm(words: Catalogue['setup']): string {
  return `<form method="post"><button name="do" value="later">${escaped(words.goOn)}</button></form>`;
}

function laterButton(words: Catalogue['setup']): string {
  return `<button class="other" name="do" value="later" formnovalidate>${escaped(words.later)}</button>`;
}

function nasNow({ url, now }: NasShown, words: Catalogue['setup']): string {
  if (url === null) return '';
  const states = statesOf(words);
  return facts([
    [words.nasNow, url],
    [words.nasState, states[now.state] ?? '–'],
    [words.nasVersion, now.version ?? '–'],
    [words.nasMac, now.mac ?? words.nasMacUnknown],
  ]);
}

function candidates(shown: NasShown, words: Catalogue['setup']): string {
  const { found, silent } = shown;
  const lead = found.length > 1 ? words.nasSeveral : words.nasFound;
  const several = found.length === 0 ? '' : `<p class="good" role="status">${escaped(lead)}</p>`;
  const forms = found.map((nas) => {
    const told = facts([
      [words.nasVersion, nas.version],
      [words.nasState, words.nasAwake],
      [words.nasMac, nas.macAddress ?? words.nasMacUnknown],
      ...(nas.fingerprint === null ? [] : [[words.nasFingerprint, nas.fingerprint] as const]),
    ]);
    return useForm(shown, { ...nas, told, button: words.nasUse });
  });
  if (silent === null) return several + forms.join('');
  return several + useForm(shown, { ...silent, told: '', button: words.nasUseSilent });
}

interface Candidate {
  readonly url: string;
  readonly macAddress: string | null;
  readonly told: string;
  readonly button: string;
}

function useForm(shown: NasShown, { url, macAddress, told, button }: Candidate): string {
  const words = WORDS.of(shown.language).setup;
  const mac = `<label>${escaped(words.nasMacHelp)}<input name="mac" value="${escaped(macAddress ?? '')}" placeholder="02:00:5e:00:53:01" maxlength="17" autocapitalize="none" spellcheck="false"></label>`;
  return `<fieldset><legend>${escaped(url)}</legend>${told}<form method="post">${hidden('url', url)}${mac}${again(shown)}
<button name="do" value="use">${escaped(button)}</button></form><p></p></fieldset>`;
}

/** The last page that the code opens. */
export function adminPage(language: Language, problem: string | null): string {
  const words = WORDS.of(language).setup;
  const body = `${progress(words, 'admin')}<p>${escaped(words.adminLead)}</p>${fault(problem)}
<form method="post" action="/dashboard/sign-in">${hidden('next', '/dashboard/setup/account')}
<label>${escaped(words.adminName)}<input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required autofocus></label>
<label>${escaped(words.adminPassword)}<input name="password" type="password" autocomplete="current-password" maxlength="1024" required></label>
<button>${escaped(words.signIn)}</button></form><a href="/dashboard/setup/nas">${escaped(words.nasTitle)}</a>`;
  return page({ language, body, title: words.adminTitle, isWide: true });
}

/** The TP-Link account; nothing of it is ever shown. */
export function accountPage(shown: Shown & { readonly hasAccount: boolean }): string {
  const words = WORDS.of(shown.language).setup;
  const state = shown.hasAccount ? words.accountSet : words.accountNone;
  const form = `<form method="post">
<label>${escaped(words.accountName)}<input name="account" type="email" autocomplete="off" maxlength="200" required></label>
<label>${escaped(words.accountPassword)}<input name="secret" type="password" autocomplete="off" maxlength="200" required></label>${again(shown)}
<button>${escaped(words.accountTry)}</button></form>`;
  const isOurs = shown.outranked.length === 0;
  return section(
    shown,
    'account',
    `<p class="note">${escaped(state)}</p>${outranked(shown)}${isOurs ? form : ''}`,
  );
}

/** The plugs' names, and which feeds the NAS. */
export function plugsPage(
  shown: Shown & { readonly hasAccount: boolean; readonly plugs: readonly TapoDevice[] },
): string {
  const words = WORDS.of(shown.language).setup;
  const { plugs, hasAccount } = shown;
  const way = `<a href="/dashboard/${shown.base}/account">${escaped(words.accountTitle)}</a>`;
  const first = hasAccount ? '' : `<p class="note">${escaped(words.plugsFirst)} ${way}</p>`;
  const names = plugs.map(
    ({ id, name, model, ipAddress, stateHint }) =>
      `<label>${escaped(filled(words.plugName, { model: [model, ipAddress].filter((part) => part !== '').join(', ') }))}<input name="name-${escaped(id)}" value="${escaped(name)}" maxlength="64" required></label>${stateHint === '' ? '' : `<p class="note">${escaped(stateHint)}</p>`}`,
  );
  const feeding = plugs.find(({ role }) => role === 'nas')?.id ?? '';
  const choices = [{ id: '', name: words.plugNone }, ...plugs].map(
    ({ id, name }) =>
      `<label class="row"><input type="radio" name="feeds" value="${escaped(id)}"${id === feeding ? ' checked' : ''}>${escaped(name)}</label>`,
  );
  const known = `<form method="post">${names.join('')}<fieldset><legend>${escaped(words.plugFeeds)}</legend>${choices.join('')}</fieldset>
<button name="do" value="save">${escaped(words.save)}</button></form>`;
  const search = `<form method="post"><button${plugs.length > 0 ? ' class="other"' : ''} name="do" value="find">${escaped(words.plugsSearch)}</button></form>`;
  const list = plugs.length === 0 ? `<p class="note">${escaped(words.plugsNone)}</p>` : known;
  return section(shown, 'plugs', `${first}${list}${search}`);
}

/** Adds and removes API keys, stored to act for users and never shown. */
export function keysPage(shown: Shown & { readonly keys: readonly CredentialView[] }): string {
  const words = WORDS.of(shown.language).setup;
  const kinds = { api_key: words.keyApi, device: words.keyDevice };
  const states = {
    ...{ unchecked: words.keyUnchecked, ok: words.keyOk, revoked: words.keyRevoked },
    ...{ inactive: words.keyInactive, removed: words.keyRemoved },
    unreadable: words.keyUnreadable,
  };
  const rows = shown.keys.map(
    ({ username, kind, state }) =>
      `<li><div><b>${escaped(username)}</b>${escaped(`${kinds[kind]}: ${states[state]}`)}</div></li>`,
  );
  const list =
    rows.length === 0
      ? `<p class="note">${escaped(words.keysNone)}</p>`
      : `<ul class="list">${rows.join('')}</ul>`;
  const name = `<label>${escaped(words.keyUser)}<input name="username" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="255" required></label>`;
  const store = `<form method="post">${name}
<label>${escaped(words.keyApi)}<input name="secret" type="password" autocomplete="off" maxlength="8192" required></label>${again(shown)}
<button name="do" value="store">${escaped(words.keyStore)}</button></form>`;
  const held = shown.keys.filter(({ kind }) => kind === 'api_key').map((key) => key.username);
  const drop = `<form method="post"><label>${escaped(words.keyUser)}<select name="username">${options(held, held[0] ?? '')}</select></label>${again(shown)}
<button class="other" name="do" value="drop">${escaped(words.keyDrop)}</button></form>`;
  return section(shown, 'keys', `${list}${store}${held.length === 0 ? '' : drop}`);
}

export function pricePage(shown: Shown & { readonly cents: string }): string {
  const words = WORDS.of(shown.language).setup;
  const isSet = shown.outranked.length > 0 ? ' disabled' : '';
  const button = isSet === '' ? `<button>${escaped(words.save)}</button>` : '';
  const value = written(shown.language, shown.cents);
  return section(
    shown,
    'price',
    `${outranked(shown)}<form method="post"><label>${escaped(words.price)}<input name="price" inputmode="decimal" value="${escaped(value)}" maxlength="12" required${isSet}></label>${button}</form>`,
  );
}

/** A number for a form, in the reader's format. */
export function written(language: Language, number: string): string {
  const [, mark = '.'] = new Intl.NumberFormat(language, { minimumFractionDigits: 1 }).format(0);
  return number.replace('.', mark);
}

/** Names of the NAS's states. */
export function statesOf(words: Catalogue['setup']): Readonly<Record<string, string>> {
  const { nasAwake: awake, nasAsleep: asleep, nasNeverSeen } = words;
  return { awake, asleep, never_seen: nasNeverSeen };
}

function languageOptions(chosen: Language): string {
  const names = Object.fromEntries(WORDS.languages.map(({ id, name }) => [id, name]));
  return options(Object.keys(names), chosen, names);
}

export function donePage(language: Language): string {
  const words = WORDS.of(language).setup;
  const next = [words.doneNext1, words.doneNext2, words.doneNext3, words.doneNext4]
    .map((line) => `<li><div>${escaped(line)}</div></li>`)
    .join('');
  const body = `${progress(words, 'done')}<p>${escaped(words.doneLead)}</p><ul class="list">${next}</ul>
<p class="links"><a href="/dashboard/">${escaped(words.toDashboard)}</a><a href="/dashboard/settings">${escaped(words.settings)}</a></p>`;
  return page({ language, body, title: words.doneTitle, isWide: true });
}

/** All sections with their state. */
export function indexPage(language: Language, states: Readonly<Record<Section, string>>): string {
  const words = WORDS.of(language).setup;
  const rows = SECTIONS.map((name) => {
    const title = escaped(titleOf(words, name));
    const change = escaped(words.change);
    return `<li><div><b>${title}</b>${escaped(states[name])}</div><a href="/dashboard/settings/${name}" aria-label="${change}: ${title}">${change}</a></li>`;
  });
  const body = `<h2>${escaped(words.settings)}</h2><ul class="list">${rows.join('')}</ul>
<a href="/dashboard/">${escaped(words.toDashboard)}</a>`;
  return page({ language, body, title: words.settings, isWide: true });
}

/** Goes on by itself once BaluPi is up again. */
export function restartPage(language: Language, next: string): string {
  const words = WORDS.of(language).setup;
  const body = `<h2>${escaped(words.restartTitle)}</h2><p role="status">${escaped(words.restartLead)}</p>
<a data-next href="${escaped(next)}">${escaped(words.restartGoOn)}</a>`;
  return page({ language, body, title: words.restartTitle, waits: 'start' });
}

function section(shown: Shown, step: Section, body: string): string {
  const { language, base } = shown;
  const words = WORDS.of(language).setup;
  const head =
    base === 'setup' ? progress(words, step) : `<h2>${escaped(titleOf(words, step))}</h2>`;
  const good =
    shown.good === undefined ? '' : `<p class="good" role="status">${escaped(shown.good)}</p>`;
  const said = `<p>${escaped(words[`${step}Lead`])}</p>${fault(shown.fault ?? null)}${good}`;
  return page({
    language,
    body: head + said + body + ways(words, base, step),
    title: titleOf(words, step),
    isWide: true,
  });
}

/** Links onward; the step NAS has a button instead, as a restart may be due. */
function ways(words: Catalogue['setup'], base: Base, step: Section): string {
  if (base === 'settings') return `<a href="/dashboard/settings">${escaped(words.back)}</a>`;
  if (step === 'nas' || step === 'house' || step === 'keys') return '';
  return `<a href="/dashboard/setup/${after(step)}">${escaped(words.goOn)}</a>`;
}

function progress(words: Catalogue['setup'], step: Step | Section): string {
  if (step === 'keys') return '';
  const at = filled(words.stepOf, { step: STEPS.indexOf(step) + 1, all: STEPS.length });
  return `<p class="step">${escaped(at)}</p><h2>${escaped(titleOf(words, step))}</h2>`;
}

function outranked({ language, outranked: names }: Shown): string {
  if (names.length === 0) return '';
  return `<p class="note">${escaped(filled(WORDS.of(language).setup.byEnvironment, { names: names.join(', ') }))}</p>`;
}

function again({ language, asksAgain }: Shown): string {
  if (!asksAgain) return '';
  const words = WORDS.of(language).setup;
  return `<label>${escaped(words.again)}<input name="password" type="password" autocomplete="current-password" maxlength="1024" required></label>
<label>${escaped(words.againCode)}<input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="32"></label>`;
}

function facts(rows: readonly (readonly [string, string])[]): string {
  const all = rows.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  return `<dl>${all.join('')}</dl>`;
}

function options(
  values: readonly string[],
  chosen: string,
  names: Readonly<Record<string, string>> = {},
): string {
  return values
    .map((value) => {
      const mark = value === chosen ? ' selected' : '';
      return `<option value="${escaped(value)}"${mark}>${escaped(names[value] ?? value)}</option>`;
    })
    .join('');
}
