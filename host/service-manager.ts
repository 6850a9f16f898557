import { writeSync } from 'node:fs';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Cancel, Clock } from '../nodes/lib/time/clock.ts';

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Sends one datagram. */
  readonly send: (fileDescriptor: number, text: string) => void;
}

/** A third of the time after which systemd ends a silent service: two signs may be lost. */
const SIGNS_A_PERIOD = 3;

/**
 * Tells systemd that the service is ready, lives and stops, as sd_notify(3) has it: one datagram for
 * each word. The signs of life come from a timer of the event loop, so a loop that is held for
 * longer than `WatchdogSec` stays silent and the service is started anew. Without systemd it does
 * nothing.
 */
export class ServiceManager {
  readonly #deps: Deps;
  /** Opened by deploy/with-notify.pl before it became Node.js; null without systemd. */
  readonly #fileDescriptor: number | null;
  #cancel: Cancel | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    const given = Number(deps.environment['SD_NOTIFY_FD']);
    this.#fileDescriptor = Number.isInteger(given) && given > 2 ? given : null;
  }

  /** @param status one line, shown by `systemctl status` */
  ready(status: string): void {
    this.#say(`READY=1\nSTATUS=${status}`);
    const periodUs = Number(this.#deps.environment['WATCHDOG_USEC']);
    if (periodUs > 0) this.#live(periodUs / 1_000 / SIGNS_A_PERIOD);
  }

  stopping(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#say('STOPPING=1');
  }

  #live(everyMs: number): void {
    this.#say('WATCHDOG=1');
    this.#cancel = this.#deps.clock.after(everyMs, () => {
      this.#live(everyMs);
    });
  }

  #say(text: string): void {
    if (this.#fileDescriptor === null) return;
    try {
      this.#deps.send(this.#fileDescriptor, text);
    } catch (error) {
      // systemd starts the service anew where the signs stay away; the reason is for the log.
      this.#deps.log.warn(`systemd could not be told ${text}: ${(error as Error).message}`);
    }
  }
}

/** A write to a connected datagram socket is one datagram (unix(7)). */
export function sendDatagram(fileDescriptor: number, text: string): void {
  writeSync(fileDescriptor, text);
}
