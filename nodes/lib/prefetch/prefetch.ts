import type { Caller, User } from '../accounts/caller.ts';
import type { Background } from '../cache/cache.ts';
import type { Files } from '../files/files.ts';
import type { CallerNeed } from '../nas/caller-need.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { DepthRows } from './depth-rows.ts';
import { Errands } from './errands.ts';
import { FetchFor } from './fetch-for.ts';
import { NeighbourDesk } from './neighbour-desk.ts';
import { PinDesk, type PinList, type PinOutcome } from './pin-desk.ts';
import { PinKeeper } from './pin-keeper.ts';

export type { PinOutcome } from './pin-desk.ts';

export interface PrefetchPorts {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly presence: Pick<NasPresence, 'state' | 'onChange'>;
  readonly need: Pick<CallerNeed, 'idleMs' | 'needed'>;
  readonly files: Pick<
    Files,
    'list' | 'locatePath' | 'shownIn' | 'shownBeside' | 'lastShown' | 'mayRead'
  >;
  readonly background: Background;
  /** Memory is short on the Pi. */
  readonly isShortOfMemory: () => boolean;
  /** A user as last known; null when unknown or switched off. */
  readonly userOf: (userId: number) => User | null;
  /** A token of that very user that the NAS takes now; null when there is none. */
  readonly tokenOf: (userId: number) => Promise<string | null>;
}

/** What a caller did with a file or folder, as far as it matters here. */
export interface Doing {
  readonly caller: Caller;
  readonly path: string;
  /** The caller wants the NAS left asleep: that is no browsing and no need. */
  readonly auto: boolean;
  /** The Pi answered without asking the NAS. */
  readonly fromHere: boolean;
}

/**
 * What is fetched while the NAS is awake anyway: the neighbours of what people read, and pinned
 * folders. All of it waits behind callers, begins within five minutes of the last need, ends when
 * the NAS goes, and goes out with the token of the user it is for (contract 6).
 */
export class Prefetch {
  readonly #pins: PinDesk;
  readonly #ports: PrefetchPorts;
  readonly #errands: Errands;
  readonly #desk: NeighbourDesk;
  readonly #keeper: PinKeeper;
  readonly #running = new Set<'neighbours' | 'pins'>();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(ports: PrefetchPorts) {
    this.#ports = ports;
    const { clock, presence, need, files, background, userOf, tokenOf } = ports;
    // What nobody waits for takes no memory from what somebody waits for either.
    const isServingCallers = (): boolean => background.isServingCallers || ports.isShortOfMemory();
    this.#errands = new Errands({ clock, presence, need, isServingCallers });
    const errands = this.#errands;
    const fetchFor = new FetchFor({ clock, errands, background, files, userOf, tokenOf });
    const depths = new DepthRows(ports.store);
    this.#desk = new NeighbourDesk({ fetchFor, depths, background, files, userOf });
    const { pins } = background;
    this.#keeper = new PinKeeper({ pins, fetchFor, files, clock, userOf });
    this.#pins = new PinDesk({ pins, files, presence });
  }

  start(): void {
    const { presence, background } = this.#ports;
    this.#errands.start();
    this.#unsubscribe.push(
      presence.onChange(({ awake }) => {
        if (awake) this.#keeper.renew();
      }),
      background.onFirstUse((use) => {
        this.#desk.used(use);
      }),
    );
  }

  /** Ends what runs. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#errands.stop();
  }

  /** The NAS just took a token of that user. */
  credentialArrived(userId: number): void {
    this.#keeper.credentialArrived(userId);
  }

  /** A caller was given a file. */
  read({ caller, path, auto, fromHere }: Doing): void {
    if (auto) return;
    if (this.#needed(fromHere)) this.#desk.read(caller.user.id, path);
  }

  /** A caller was shown a folder. */
  listed({ caller, path, auto, fromHere }: Doing): void {
    const { awake } = this.#ports.presence.state;
    if (awake) this.#keeper.shown(caller.user.id, path);
    if (auto) return;
    if (this.#needed(fromHere)) this.#desk.listed(caller.user.id, path);
  }

  /** Fetches beside what is being read until there is nothing left to fetch. */
  fetchNeighbours(): Promise<void> {
    return this.#run('neighbours', () => this.#desk.step());
  }

  /** Looks through the pinned folders and fetches what is missing of them. */
  async keepPins(): Promise<void> {
    this.#keeper.tidy();
    // Whoever browses goes first: they wait, a pin does not.
    await this.#run('pins', () => this.#keeper.step());
  }

  /** Files that still wait: beside what is being read (users), and of pins. */
  get waiting(): { readonly users: number; readonly pinnedFiles: number } {
    const pinnedFiles = this.#ports.background.pins.pendingCount(null);
    return { users: this.#desk.count, pinnedFiles };
  }

  /** Files of one user's pins, or of all, that are not kept yet. */
  pendingDownloads(userId: number | null): number {
    return this.#ports.background.pins.pendingCount(userId);
  }

  pin(caller: Caller, path: string, auto: boolean): Promise<PinOutcome> {
    if (!auto && this.#ports.presence.state.awake) this.#ports.need.needed();
    return this.#pins.pin(caller, path, auto);
  }

  unpin(caller: Caller, path: string): 'unpinned' | 'not_found' {
    return this.#pins.unpin(caller, path);
  }

  pinned(caller: Caller): PinList {
    return this.#pins.list(caller);
  }

  /** @returns whether the NAS was there for it */
  #needed(fromHere: boolean): boolean {
    const { presence, need, background } = this.#ports;
    if (presence.state.awake) {
      need.needed();
      return true;
    }
    if (fromHere) background.spared();
    return false;
  }

  async #run(what: 'neighbours' | 'pins', step: () => Promise<boolean>): Promise<void> {
    if (this.#running.has(what)) return;
    this.#running.add(what);
    try {
      while (this.#errands.isOpen && (await step()));
    } finally {
      this.#running.delete(what);
    }
  }
}
