import { existsSync } from 'node:fs';
import { uptime } from 'node:os';
import type { ClockMarks } from './clock-evidence.ts';

/** Kept by systemd-timesyncd from the first synchronization after boot on (its manual page). */
const SYNCHRONIZED = '/run/systemd/timesync/synchronized';
/** There when systemd is the init of this machine (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';
/** The hardware clock Linux sets its own from; a Pi before the 5 has none. */
const HARDWARE_CLOCK = '/sys/class/rtc/rtc0';

/** Looks at the machine: three files and the uptime. */
export function readClockMarks(): ClockMarks {
  return {
    isSynchronized: existsSync(SYNCHRONIZED),
    startsFromGuess: existsSync(SYSTEMD) && !existsSync(HARDWARE_CLOCK),
    uptimeMs: uptime() * 1_000,
  };
}
