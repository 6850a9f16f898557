import { type KeptSettings, sealedValue } from '../kept-settings.ts';

/** Settings that pages may change; others need the environment or `balupi set`. */
export type PageSetting =
  | 'TIMEZONE'
  | 'NAS_URL'
  | 'NAS_DIRECT_URL'
  | 'NAS_MAC_ADDRESS'
  | 'NAS_TLS_FINGERPRINT'
  | 'TAPO_USERNAME'
  | 'TAPO_PASSWORD'
  | 'ENERGY_DEFAULT_PRICE_CENTS';

/** Null removes a setting. */
export type Changes = Readonly<Partial<Record<PageSetting, string | null>>>;

interface Deps {
  readonly kept: KeptSettings;
  /** Settings that outrank the data folder's, by names without the prefix. */
  readonly outranking: ReadonlyMap<string, string>;
  /** The default; null for none. */
  readonly standard: (name: PageSetting) => string | null;
  /** SECRET_KEY. */
  readonly key: string;
  /** Faults of the settings as a whole with these changes, in English. */
  readonly faultsWith: (changes: Changes) => readonly string[];
}

export type KeepOutcome =
  | { readonly kind: 'kept' | 'as_before' }
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/**
 * The settings that pages show and change. Stored in the data folder, secrets sealed; the environment
 * outranks them.
 */
export class PageSettings {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Whether the environment sets it, so that a change here would have no effect. */
  isOutranked(name: PageSetting): boolean {
    return this.#deps.outranking.has(name);
  }

  /** Whether it is set, by the environment or here. */
  isSaid(name: PageSetting): boolean {
    return this.isOutranked(name) || `BALUPI_${name}` in this.#deps.kept.read();
  }

  /** The value, effective from the next start at the latest; never a secret. */
  valueOf(name: Exclude<PageSetting, 'TAPO_USERNAME' | 'TAPO_PASSWORD'>): string | null {
    const { kept, outranking, standard } = this.#deps;
    return outranking.get(name) ?? kept.read()[`BALUPI_${name}`] ?? standard(name);
  }

  /** Stores changes of settings that the environment does not set, all or nothing. */
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
