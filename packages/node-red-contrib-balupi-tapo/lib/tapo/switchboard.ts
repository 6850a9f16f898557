import { topicOfFailure, type HintLanguage, type Hints } from './device-states.ts';
import type { Device, Devices } from './devices.ts';
import type { PlugFailure, PlugRelayOutcome } from './plug.ts';
import type { PlugWatch, SwitchedBy } from './plug-news.ts';
import type { Poller } from './poller.ts';

export interface ToggleOptions {
  /** Which side it is to stand on; the other one than now where this is left out. */
  readonly to?: 'on' | 'off';
  /** Cuts the plug of the NAS although the NAS is not known to be off. */
  readonly force?: boolean;
  /** Who wants it; a flow where it is left out. */
  readonly by?: SwitchedBy;
  /** Language of the hint. */
  readonly language?: HintLanguage;
}

export type ToggleOutcome =
  | { readonly kind: 'switched'; readonly id: string; readonly isOn: boolean }
  | { readonly kind: 'unknown_device' }
  /** It feeds the NAS, which is not known to be off, and `force` was not given. */
  | { readonly kind: 'guarded' }
  /** `hint` says what to do, in the caller's language. */
  | { readonly kind: 'failed'; readonly failure: PlugFailure; readonly hint: string };

interface SwitchboardDeps {
  readonly devices: Devices;
  readonly poller: Poller;
  readonly watch: PlugWatch;
  readonly isNasOff: () => boolean;
  readonly hints: Hints;
}

/** Switches plugs, and sees to it that the NAS is not cut by mistake. */
export class Switchboard {
  readonly #devices: Devices;
  readonly #poller: Poller;
  readonly #isNasOff: () => boolean;
  readonly #watch: PlugWatch;
  readonly #hints: Hints;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(deps: SwitchboardDeps) {
    this.#devices = deps.devices;
    this.#watch = deps.watch;
    this.#poller = deps.poller;
    this.#isNasOff = deps.isNasOff;
    this.#hints = deps.hints;
  }

  /** One after the other for each plug, so that two calls do not both see it on. */
  async toggle(id: string, options: ToggleOptions): Promise<ToggleOutcome> {
    const before = this.#last.get(id);
    const turn = Promise.withResolvers<undefined>();
    this.#last.set(id, turn.promise);
    try {
      await before;
      return await this.#toggleNow(id, options);
    } finally {
      turn.resolve(undefined);
      if (this.#last.get(id) === turn.promise) this.#last.delete(id);
    }
  }

  async #toggleNow(id: string, options: ToggleOptions): Promise<ToggleOutcome> {
    const device = this.#devices.get(id);
    if (device === undefined) return { kind: 'unknown_device' };
    const fresh = await this.#poller.poll(device);
    // Void, or the reading has shown it to be a second entry of a plug we have.
    if (fresh === null || this.#devices.get(id) !== device) return { kind: 'unknown_device' };
    const language = options.language ?? 'en';
    if (fresh.kind !== 'reading') return this.#failed(fresh, language);
    // The last that was known, where this reading does not say how the relay stands.
    const { isOn } = device;
    if (isOn === null) return this.#failed(RELAY_UNKNOWN, language);
    const wanted = wantedOf(options, isOn);
    if (wanted === isOn) return { kind: 'switched', id, isOn };
    // Asked at the last moment: the NAS may have come up while the plug was read.
    if (!wanted && options.force !== true && this.#feedsNas(device)) return { kind: 'guarded' };
    const outcome = await this.#setRelay(device, wanted, options.by);
    return outcome.kind === 'switched' ? { ...outcome, id } : this.#failed(outcome, language);
  }

  async #setRelay(
    device: Device,
    wanted: boolean,
    by: SwitchedBy = { how: 'flow' },
  ): Promise<PlugRelayOutcome> {
    const { id } = device.row;
    this.#watch.switching(id, by);
    const outcome = await device.plug.setRelay(wanted);
    if (outcome.kind === 'switched') device.isOn = outcome.isOn;
    this.#watch.switched(id, outcome.kind === 'switched' ? outcome.isOn : null);
    return outcome;
  }

  #failed(failure: PlugFailure, language: HintLanguage): ToggleOutcome {
    return { kind: 'failed', failure, hint: this.#hints(topicOfFailure(failure), language) };
  }

  #feedsNas({ row }: Device): boolean {
    return row.role === 'nas' && !this.#isNasOff();
  }
}

function wantedOf({ to }: ToggleOptions, isOn: boolean): boolean {
  return to === undefined ? !isOn : to === 'on';
}

const RELAY_UNKNOWN: PlugFailure = {
  kind: 'bad_answer',
  detail: 'The plug did not say how its relay stands.',
};
