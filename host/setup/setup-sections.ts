import type { CredentialView, KeyStored, User } from '../../nodes/lib/accounts/accounts.ts';
import { RateLimiter } from '../../nodes/lib/limits/limits.ts';
import type { Services } from '../../nodes/lib/services/services.ts';
import type {
  AccountOutcome,
  DeviceChange,
  DiscoverOutcome,
  PlugCredentials,
  TapoDevice,
} from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { Clock } from '../../nodes/lib/time/clock.ts';
import { filled, type Language, WORDS } from '../../nodes/lib/words/words.ts';
import { type AskedNas, askNearNas, findNas, type FoundNas } from '../nas-finder.ts';
import type { PageAccounts } from '../dashboard-sign-in.ts';
import type { PageSetting, PageSettings } from './page-settings.ts';
import {
  accountPage,
  after,
  type Base,
  indexPage,
  keysPage,
  nasPage,
  type NasShown,
  plugsPage,
  pricePage,
  type Section,
  type Shown,
  statesOf,
  written,
  zonePage,
} from './setup-pages.ts';

/** What the pages need of each module. */
interface SectionDeps {
  readonly nas: {
    now(): { readonly state: string; readonly version: string | null; readonly mac: string | null };
    ask(typed: string): Promise<AskedNas>;
    find(): Promise<readonly FoundNas[]>;
  };
  readonly plugs: {
    readonly hasAccount: boolean;
    tryAccount(account: PlugCredentials, language: Language): Promise<AccountOutcome>;
    list(language: Language): readonly TapoDevice[];
    discover(language: Language): Promise<DiscoverOutcome>;
    update(id: string, change: DeviceChange): unknown;
  };
  /** Credentials stored to act for users later. */
  readonly keys: {
    list(): readonly CredentialView[];
    store(username: string, apiKey: string): Promise<KeyStored>;
    drop(username: string): Promise<boolean>;
  };
  /** Takes effect at once, without a restart. */
  readonly usePrice: (cents: number) => void;
  readonly accounts: Pick<PageAccounts, 'signIn' | 'secondFactor'>;
}

/** A visit to a section. */
export interface Visited {
  readonly language: Language;
  readonly base: Base;
  /** Null for a browser with the code. */
  readonly user: User | null;
  readonly asksAgain: boolean;
  readonly address: string;
}

type TakeOutcome =
  | { readonly kind: 'page'; readonly statusCode: number; readonly html: string }
  | { readonly kind: 'next'; readonly place: string; readonly language?: Language }
  /** As `next`, after a restart with the new settings. */
  | { readonly kind: 'restart'; readonly place: string; readonly language?: Language };

type Said = Pick<Shown, 'fault' | 'good'>;

const NAS_SETTINGS = ['NAS_URL', 'NAS_TLS_FINGERPRINT'] as const;
const ACCOUNT_SETTINGS = ['TAPO_USERNAME', 'TAPO_PASSWORD'] as const;
const ASKS_A_MINUTE = 20;
/** Low, as a plug locks after some 15 wrong passwords. */
const ACCOUNTS_A_MINUTE = 3;
const KEYS_A_MINUTE = 10;
const MOST_CENTS = 1_000;
const LONGEST_SECRET = 200;
const LONGEST_NAME = 255;
/** The API's limit. */
const LONGEST_KEY = 8_192;

/** Renders each section and handles its form. */
export class Sections {
  readonly #settings: PageSettings;
  readonly #deps: SectionDeps;
  readonly #asks: RateLimiter;
  readonly #accounts: RateLimiter;
  readonly #keyTries: RateLimiter;
  /** The guided setup changed something that takes effect at the next start. */
  #isStartDue = false;

  constructor(settings: PageSettings, deps: SectionDeps, clock: Clock) {
    this.#settings = settings;
    this.#deps = deps;
    this.#asks = new RateLimiter(clock, { most: ASKS_A_MINUTE });
    this.#accounts = new RateLimiter(clock, { most: ACCOUNTS_A_MINUTE });
    this.#keyTries = new RateLimiter(clock, { most: KEYS_A_MINUTE });
  }

  /** Whether the NAS's address is set. */
  get isNasSaid(): boolean {
    return this.#settings.isSaid('NAS_URL');
  }

  index(language: Language): string {
    const words = WORDS.of(language).setup;
    const { nas, plugs } = this.#deps;
    const feeding = plugs.list(language).find(({ role }) => role === 'nas');
    const names = plugs.list(language).map(({ id, name }) => {
      return id === feeding?.id ? `${name} (${words.plugFeeds})` : name;
    });
    const states = statesOf(words);
    const { state } = nas.now();
    return indexPage(language, {
      house: this.#settings.valueOf('TIMEZONE') ?? '–',
      nas: `${this.#settings.valueOf('NAS_URL') ?? '–'}, ${states[state] ?? '–'}`,
      account: plugs.hasAccount ? words.accountSet : words.accountNone,
      plugs: names.length === 0 ? words.plugsNone : names.join(', '),
      price: `${this.#cents(language)} ct`,
      keys: filled(words.keysCount, { count: this.#deps.keys.list().length }),
    });
  }

  show(name: Section, visited: Visited, said: Said = {}): string {
    switch (name) {
      case 'house':
        return this.#zone(visited, said);
      case 'nas':
        return this.#nas(visited, said, {});
      case 'account':
        return this.#account(visited, said);
      case 'plugs':
        return this.#plugs(visited, said);
      case 'price':
        return this.#price(visited, said);
      case 'keys':
        return this.#keys(visited, said);
    }
  }

  /** @param form sent by that section's page */
  async take(name: Section, visited: Visited, form: URLSearchParams): Promise<TakeOutcome> {
    switch (name) {
      case 'house':
        return this.#takeZone(visited, form);
      case 'nas':
        return await this.#takeNas(visited, form);
      case 'account':
        return await this.#takeAccount(visited, form);
      case 'plugs':
        return await this.#takePlugs(visited, form);
      case 'price':
        return this.#takePrice(visited, form);
      case 'keys':
        return await this.#takeKeys(visited, form);
    }
  }

  #zone(visited: Visited, said: Said): string {
    const zone = this.#settings.valueOf('TIMEZONE') ?? 'UTC';
    return zonePage({ ...this.#shown(visited, said, ['TIMEZONE']), zone });
  }

  #takeZone(visited: Visited, form: URLSearchParams): TakeOutcome {
    const language = WORDS.languageOf(form.get('language') ?? undefined, undefined);
    const zone = form.get('zone');
    const kept = zone === null ? null : this.#settings.keep({ TIMEZONE: zone });
    if (kept?.kind === 'faults') {
      return page(422, this.#zone(visited, { fault: kept.faults.join(' ') }));
    }
    const isChanged = kept?.kind === 'kept';
    if (visited.base === 'setup') {
      this.#isStartDue ||= isChanged;
      return { kind: 'next', place: '/dashboard/setup/nas', language };
    }
    return { kind: isChanged ? 'restart' : 'next', place: '/dashboard/settings', language };
  }

  #nas(
    visited: Visited,
    said: Said,
    asked: Partial<Pick<NasShown, 'typed' | 'found' | 'silent'>>,
  ): string {
    const url = this.#settings.isSaid('NAS_URL') ? this.#settings.valueOf('NAS_URL') : null;
    return nasPage({
      ...this.#shown(visited, said, NAS_SETTINGS),
      url,
      now: this.#deps.nas.now(),
      typed: url ?? '',
      found: [],
      silent: null,
      ...asked,
    });
  }

  async #takeNas(visited: Visited, form: URLSearchParams): Promise<TakeOutcome> {
    const words = WORDS.of(visited.language).setup;
    const what = form.get('do');
    const typed = (form.get('url') ?? '').slice(0, LONGEST_SECRET);
    if (what === 'later') return this.#onFromNas(visited, false);
    if (this.#settings.isOutranked('NAS_URL')) return page(409, this.#nas(visited, {}, {}));
    if (this.#asks.take('nas').kind !== 'go') {
      return page(429, this.#nas(visited, { fault: words.tooOften }, { typed }));
    }
    if (what === 'find') {
      const found = await this.#deps.nas.find();
      const said = found.length === 0 ? { fault: words.nasNone } : {};
      return page(200, this.#nas(visited, said, { found, typed }));
    }
    const asked = await this.#deps.nas.ask(typed);
    if (what === 'use' && (asked.kind === 'found' || asked.kind === 'silent')) {
      return await this.#useNas(visited, form, asked);
    }
    return this.#toldNas(visited, asked, typed);
  }

  #toldNas(visited: Visited, asked: AskedNas, typed: string): TakeOutcome {
    const words = WORDS.of(visited.language).setup;
    switch (asked.kind) {
      case 'found':
        return page(200, this.#nas(visited, {}, { typed, found: [asked.nas] }));
      case 'silent':
        return page(200, this.#nas(visited, { fault: words.nasSilent }, { typed, silent: asked }));
      case 'far':
        return page(422, this.#nas(visited, { fault: words.nasFar }, { typed }));
      case 'bad_address':
        return page(422, this.#nas(visited, { fault: words.nasBad }, { typed }));
    }
  }

  async #useNas(
    visited: Visited,
    form: URLSearchParams,
    asked: Extract<AskedNas, { kind: 'found' | 'silent' }>,
  ): Promise<TakeOutcome> {
    const words = WORDS.of(visited.language).setup;
    const { url, macAddress } = asked.kind === 'found' ? asked.nas : asked;
    const again = asked.kind === 'found' ? { found: [asked.nas] } : { silent: asked };
    if (!(await this.#isSure(visited, form))) {
      return page(401, this.#nas(visited, { fault: words.againWrong }, { ...again, typed: url }));
    }
    const mac = (form.get('mac') ?? '').trim();
    const kept = this.#settings.keep({
      NAS_URL: url,
      // It belonged to the previous NAS; the new one's is found by itself.
      NAS_DIRECT_URL: null,
      NAS_MAC_ADDRESS: mac === '' ? macAddress : mac,
      NAS_TLS_FINGERPRINT: asked.kind === 'found' ? asked.nas.fingerprint : null,
    });
    if (kept.kind === 'faults') {
      const said = { fault: kept.faults.join(' ') };
      return page(422, this.#nas(visited, said, { ...again, typed: url }));
    }
    return this.#onFromNas(visited, kept.kind === 'kept');
  }

  #onFromNas({ base }: Visited, isChanged: boolean): TakeOutcome {
    const place = base === 'setup' ? '/dashboard/setup/admin' : '/dashboard/settings';
    return { kind: isChanged || this.#isStartDue ? 'restart' : 'next', place };
  }

  #account(visited: Visited, said: Said): string {
    const { hasAccount } = this.#deps.plugs;
    return accountPage({ ...this.#shown(visited, said, ACCOUNT_SETTINGS), hasAccount });
  }

  async #takeAccount(visited: Visited, form: URLSearchParams): Promise<TakeOutcome> {
    const words = WORDS.of(visited.language).setup;
    const username = (form.get('account') ?? '').trim();
    const password = form.get('secret') ?? '';
    const isWhole = username !== '' && password !== '';
    if (!isWhole || username.length > LONGEST_SECRET || password.length > LONGEST_SECRET) {
      return page(422, this.#account(visited, { fault: words.accountMissing }));
    }
    if (ACCOUNT_SETTINGS.some((name) => this.#settings.isOutranked(name))) {
      return page(409, this.#account(visited, {}));
    }
    if (this.#accounts.take('tapo').kind !== 'go') {
      return page(429, this.#account(visited, { fault: words.tooOften }));
    }
    if (!(await this.#isSure(visited, form))) {
      return page(401, this.#account(visited, { fault: words.againWrong }));
    }
    const tried = await this.#deps.plugs.tryAccount({ username, password }, visited.language);
    if (tried.kind === 'refused') {
      const fault = `${words.accountRefused} ${tried.stateHint}`;
      return page(422, this.#account(visited, { fault }));
    }
    this.#settings.keep({ TAPO_USERNAME: username, TAPO_PASSWORD: password });
    const good =
      tried.kind === 'taken'
        ? filled(words.accountTaken, { plug: tried.plug })
        : words.accountUntried;
    return page(200, this.#account(visited, { good }));
  }

  #plugs(visited: Visited, said: Said): string {
    const { plugs } = this.#deps;
    const { hasAccount } = plugs;
    const shown = this.#shown(visited, said, []);
    return plugsPage({ ...shown, hasAccount, plugs: plugs.list(visited.language) });
  }

  async #takePlugs(visited: Visited, form: URLSearchParams): Promise<TakeOutcome> {
    const words = WORDS.of(visited.language).setup;
    const { plugs } = this.#deps;
    if (form.get('do') === 'find') {
      if (this.#asks.take('plugs').kind !== 'go') {
        return page(429, this.#plugs(visited, { fault: words.tooOften }));
      }
      const { discovered } = await plugs.discover(visited.language);
      const said =
        discovered === 0
          ? { fault: words.plugsNone }
          : {
              good:
                discovered === 1
                  ? words.plugsFoundOne
                  : filled(words.plugsFound, { count: discovered }),
            };
      return page(200, this.#plugs(visited, said));
    }
    this.#namePlugs(visited, form);
    const place = `/dashboard/setup/${after('plugs')}`;
    if (visited.base === 'setup') return { kind: 'next', place };
    return page(200, this.#plugs(visited, { good: words.plugsSaved }));
  }

  #namePlugs({ language }: Visited, form: URLSearchParams): void {
    const { plugs } = this.#deps;
    const feeds = form.get('feeds');
    for (const { id, role, name } of plugs.list(language)) {
      const given = form.get(`name-${id}`)?.trim() ?? name;
      const freed = role === 'nas' && feeds !== null ? 'monitor' : role;
      const wanted = feeds === id ? 'nas' : freed;
      if (given !== name || wanted !== role) plugs.update(id, { name: given, role: wanted });
    }
  }

  #price(visited: Visited, said: Said): string {
    const cents = this.#settings.valueOf('ENERGY_DEFAULT_PRICE_CENTS') ?? '';
    return pricePage({ ...this.#shown(visited, said, ['ENERGY_DEFAULT_PRICE_CENTS']), cents });
  }

  #takePrice(visited: Visited, form: URLSearchParams): TakeOutcome {
    const words = WORDS.of(visited.language).setup;
    const typed = (form.get('price') ?? '').trim().replace(',', '.');
    const cents = /^\d+(?:\.\d+)?$/.test(typed) ? Number(typed) : Number.NaN;
    if (!(cents >= 0 && cents <= MOST_CENTS)) {
      return page(422, this.#price(visited, { fault: words.priceBad }));
    }
    const kept = this.#settings.keep({ ENERGY_DEFAULT_PRICE_CENTS: String(cents) });
    if (kept.kind === 'faults') {
      return page(422, this.#price(visited, { fault: kept.faults.join(' ') }));
    }
    if (kept.kind === 'kept') this.#deps.usePrice(cents);
    const place = `/dashboard/setup/${after('price')}`;
    if (visited.base === 'setup') return { kind: 'next', place };
    return page(200, this.#price(visited, { good: words.priceSaved }));
  }

  #keys(visited: Visited, said: Said): string {
    return keysPage({ ...this.#shown(visited, said, []), keys: this.#deps.keys.list() });
  }

  async #takeKeys(visited: Visited, form: URLSearchParams): Promise<TakeOutcome> {
    const words = WORDS.of(visited.language).setup;
    const { keys } = this.#deps;
    const [username, secret] = [trimmed(form, 'username'), trimmed(form, 'secret')];
    const isStore = form.get('do') === 'store';
    const isWhole = username !== '' && (!isStore || secret !== '');
    if (!isWhole || username.length > LONGEST_NAME || secret.length > LONGEST_KEY) {
      return page(422, this.#keys(visited, { fault: words.accountMissing }));
    }
    if (this.#keyTries.take('keys').kind !== 'go') {
      return page(429, this.#keys(visited, { fault: words.tooOften }));
    }
    if (!(await this.#isSure(visited, form))) {
      return page(401, this.#keys(visited, { fault: words.againWrong }));
    }
    if (isStore) return await this.#storeKey(visited, username, secret);
    const isGone = await keys.drop(username);
    const said = isGone ? { good: words.keyDropped } : { fault: words.keyNotThere };
    return page(isGone ? 200 : 404, this.#keys(visited, said));
  }

  async #storeKey(visited: Visited, username: string, secret: string): Promise<TakeOutcome> {
    const stored = await this.#deps.keys.store(username, secret);
    if (stored.kind === 'stored') {
      const good = WORDS.of(visited.language).setup.keyStored;
      return page(200, this.#keys(visited, { good }));
    }
    const fault = WORDS.told(visited.language, stored.detail);
    return page(422, this.#keys(visited, { fault }));
  }

  #cents(language: Language): string {
    const cents = this.#settings.valueOf('ENERGY_DEFAULT_PRICE_CENTS') ?? '–';
    return written(language, cents);
  }

  /**
   * Whether the reader re-entered their password, if required: nobody who finds a page open may point
   * this BaluPi, its passwords and its files at another NAS.
   */
  async #isSure({ user, asksAgain, address }: Visited, form: URLSearchParams): Promise<boolean> {
    if (!asksAgain) return true;
    if (user === null) return false;
    const { accounts } = this.#deps;
    const { username } = user;
    const password = form.get('password') ?? '';
    if (password === '') return false;
    const first = await accounts.signIn({ username, password, address });
    const code = (form.get('code') ?? '').trim();
    const outcome =
      first.kind === 'second_factor' && code !== ''
        ? await accounts.secondFactor({ pendingToken: first.pendingToken, code, address })
        : first;
    return (
      outcome.kind === 'person' && outcome.user.id === user.id && outcome.user.role === 'admin'
    );
  }

  #shown(visited: Visited, said: Said, names: readonly PageSetting[]): Shown {
    const { language, base, asksAgain } = visited;
    const outranked = names.filter((name) => this.#settings.isOutranked(name));
    return {
      ...{ language, base, asksAgain, ...said },
      outranked: outranked.map((name) => `BALUPI_${name}`),
    };
  }
}

function page(statusCode: number, html: string): TakeOutcome {
  return { kind: 'page', statusCode, html };
}

function trimmed(form: URLSearchParams, name: string): string {
  return (form.get(name) ?? '').trim();
}

/** Binds the pages to the services. */
export function sectionDeps({ accounts, credentials, nas, tapo, energy }: Services): SectionDeps {
  return {
    nas: {
      now: () => {
        const { awake, everSeen, version } = nas.presence.state;
        const asleep = everSeen ? 'asleep' : 'never_seen';
        return { state: awake ? 'awake' : asleep, version, mac: nas.macAddress };
      },
      ask: askNearNas,
      find: findNas,
    },
    plugs: {
      get hasAccount() {
        return tapo.hasAccount;
      },
      tryAccount: (account, language) => tapo.tryAccount(account, language),
      list: (language) => tapo.list(language),
      discover: (language) => tapo.discover(language),
      update: (id, change) => tapo.update(id, change),
    },
    keys: {
      list: () => credentials.list(),
      store: (username, apiKey) => credentials.storeKey(username, apiKey),
      drop: (username) => credentials.remove(username, 'api_key'),
    },
    usePrice: (cents) => {
      energy.prices.useDefault(cents);
    },
    accounts: {
      signIn: (given) => accounts.pageSignIn.password(given),
      secondFactor: (given) => accounts.pageSignIn.secondFactor(given),
    },
  };
}
