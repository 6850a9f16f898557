import { type KeptSettings, sealedValue } from '../kept-settings.ts';

/** What the pages may set; all else is the environment's or `balupi set`'s. */
export type PageSetting =
  | 'TIMEZONE'
  | 'NAS_URL'
  | 'NAS_DIRECT_URL'
  | 'NAS_MAC_ADDRESS'
  | 'NAS_TLS_FINGERPRINT'
  | 'TAPO_USERNAME'
  | 'TAPO_PASSWORD'
  | 'ENERGY_DEFAULT_PRICE_CENTS';

/** Null forgets a setting. */
export type Changes = Readonly<Partial<Record<PageSetting, string | null>>>;

interface Deps {
  readonly kept: KeptSettings;
  /** What outranks what is kept here, by names without the prefix. */
  readonly outranking: ReadonlyMap<string, string>;
  /** What holds where nobody says anything; null for nothing. */
  readonly standard: (name: PageSetting) => string | null;
  /** SECRET_KEY. */
  readonly key: string;
  /** What would be wrong with the settings as a whole, in English. */
  readonly faultsWith: (changes: Changes) => readonly string[];
}

export type KeepOutcome =
  | { readonly kind: 'kept' | 'as_before' }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * The settings that pages show and change. They lie in the data folder, what is secret sealed, and
 * the environment outranks them.
 */
export class HouseSettings {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Whether the environment says it, so that a change here would be for nothing. */
  isOutranked(name: PageSetting): boolean {
    return this.#deps.outranking.has(name);
  }

  /** Whether anybody said it: the environment, or somebody whose word is kept here. */
  isSaid(name: PageSetting): boolean {
    return this.isOutranked(name) || `BALUPI_${name}` in this.#deps.kept.read();
  }

  /** What holds, from the next start on at the latest; nothing secret is told. */
  valueOf(name: Exclude<PageSetting, 'TAPO_USERNAME' | 'TAPO_PASSWORD'>): string | null {
    const { kept, outranking, standard } = this.#deps;
    return outranking.get(name) ?? kept.read()[`BALUPI_${name}`] ?? standard(name);
  }

  /** Keeps what the environment leaves to be said, all of it or nothing. */
  keep(changes: Changes): KeepOutcome {
    const { kept, key, faultsWith } = this.#deps;
    const before = kept.read();
    const left = Object.entries(changes).filter(([name, value]) => {
      const was = before[`BALUPI_${name}`] ?? null;
      return !this.isOutranked(name as PageSetting) && was !== value;
    });
    if (left.length === 0) return { kind: 'as_before' };
    const faults = faultsWith(Object.fromEntries(left));
    if (faults.length > 0) return { kind: 'faults', faults };
    const sealed = left.map(([name, value]) => {
      return [name, value === null ? null : sealedValue(name, value, key)] as const;
    });
    kept.setAll(Object.fromEntries(sealed));
    return { kind: 'kept' };
  }
}
