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

/** Per watchdog period, so that two may be lost. */
const SIGNS_A_PERIOD = 3;

/**
 * Tells systemd that the service is ready, alive or stopping, one datagram each (sd_notify(3)). The
 * watchdog signs come from a timer of the event loop, so a loop blocked for longer than `WatchdogSec`
 * stays silent and systemd restarts the service. Does nothing without systemd.
 */
export class ServiceManager {
  readonly #deps: Deps;
  /** Opened by deploy/with-notify.pl before it exec'ed Node.js; null without systemd. */
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
      // systemd will restart the service when the signs stop; this logs why.
      this.#deps.log.warn(`systemd could not be told ${text}: ${(error as Error).message}`);
    }
  }
}

/** A write to a connected datagram socket is one datagram (unix(7)). */
export function sendDatagram(fileDescriptor: number, text: string): void {
  writeSync(fileDescriptor, text);
}
