import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { NameServer } from './name-server.ts';

export { PiHole } from './pi-hole.ts';

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly server: NameServer;
  readonly name: string;
  /** `sleep`: it points at the Pi while the NAS sleeps. `always`: at the Pi. */
  readonly mode: 'sleep' | 'always';
  /** IPv4; null while it has none. */
  readonly piAddress: () => string | null;
  /** IPv4; null while it is not known. */
  readonly nasAddress: () => Promise<string | null>;
  readonly isAwake: () => boolean;
  /** Calls back when that may have changed. */
  readonly onChange: (listener: () => void) => () => void;
}

/** Where no name is kept: by its settings, or as it would lead astray. */
export class NoDnsName {
  /** Null where none is wished for. */
  readonly fault: string | null;

  constructor(fault: string | null) {
    this.fault = fault;
  }

  start(): void {
    // Nothing to keep.
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  isSwitched(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

const WHO = { pi: 'Pi', nas: 'NAS' } as const;
const HOUR_MS = 3_600_000;
/** Again so soon where the name server did not answer, and so late at most. */
const RETRY_MS = 15_000;
const MOST_RETRY_MS = 10 * 60_000;

/**
 * Keeps one name of the house pointing at whoever serves: the Pi while the NAS sleeps, the NAS while
 * it is up. The new record is set before the old one goes, so the name never vanishes; it is looked
 * at again at each start, at each change and each hour, since a name server may be restored, too.
 */
export class DnsName {
  readonly #deps: Deps;
  #unlisten: () => void = () => undefined;
  #cancel: Cancel | null = null;
  #running: Promise<void> | null = null;
  #isWantedAgain = false;
  #retryMs = RETRY_MS;
  #pointsAt: 'pi' | 'nas' | null = null;
  #fault: string | null = null;
  #stopped = true;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    this.#stopped = false;
    this.#unlisten = this.#deps.onChange(() => {
      this.#kick();
    });
    this.#kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten();
    this.#cancel?.();
    await this.#running;
  }

  /** Why it could not be set, in a sentence; null where it could. */
  get fault(): string | null {
    return this.#fault;
  }

  /** Whether the name points at the Pi, waited for at most so long while it is being set. */
  async isSwitched(withinMs: number): Promise<boolean> {
    const waited = new AbortController();
    const over = this.#deps.clock.sleep(withinMs, waited.signal).catch(() => undefined);
    while (this.#running !== null) {
      const before = this.#running;
      const first = await Promise.race([before.then(() => 'done'), over.then(() => 'over')]);
      if (first === 'over') break;
      if (this.#running === before) break;
    }
    waited.abort();
    return this.#pointsAt === 'pi' && this.#running === null;
  }

  #kick(): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = null;
    if (this.#running !== null) {
      this.#isWantedAgain = true;
      return;
    }
    this.#running = this.#set().then((nextMs) => {
      this.#running = null;
      if (this.#stopped) return;
      if (this.#isWantedAgain) {
        this.#isWantedAgain = false;
        this.#kick();
        return;
      }
      this.#cancel = this.#deps.clock.after(nextMs, () => {
        this.#kick();
      });
    });
  }

  /** @returns when to look again */
  async #set(): Promise<number> {
    const { log, name } = this.#deps;
    try {
      await this.#reconcile();
      if (this.#fault !== null) log.info(`The name ${name} could be set again.`);
      this.#fault = null;
      this.#retryMs = RETRY_MS;
      return HOUR_MS;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (this.#fault !== words) log.warn(`The name ${name} could not be set: ${words}`);
      this.#fault = words;
      const nextMs = this.#retryMs;
      this.#retryMs = Math.min(MOST_RETRY_MS, nextMs * 2);
      return nextMs;
    }
  }

  async #reconcile(): Promise<void> {
    const { server, name, mode, log, isAwake, piAddress, nasAddress } = this.#deps;
    const target = mode === 'always' || !isAwake() ? 'pi' : 'nas';
    const wanted = target === 'pi' ? piAddress() : await nasAddress();
    if (wanted === null) throw new Error(`The ${WHO[target]} has no IPv4 address now.`);
    const before = await server.addresses(name);
    if (!before.includes(wanted)) await server.add(name, wanted);
    for (const address of before) if (address !== wanted) await server.remove(name, address);
    if (this.#pointsAt !== target || before.length !== 1 || before[0] !== wanted) {
      log.info(`The name ${name} points at the ${WHO[target]} (${wanted}).`);
    }
    this.#pointsAt = target;
  }
}
