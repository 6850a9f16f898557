import { lchownSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { App } from '../compose.ts';
import { SystemClock } from '../nodes/lib/time/system-clock.ts';
import type { Settings } from '../settings.ts';

const QUIET = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * Removes this Pi's registrations from the NAS's device lists, before it is uninstalled for good. The
 * app is built for it but not started: nothing listens, nothing is delivered. BaluPi must be stopped.
 * @returns how many were removed, and how many stay as the NAS did not accept it now
 * @throws DataFolderInUseError and other errors of a start
 */
export async function unregister(
  settings: Settings,
  version: string,
): Promise<{ readonly removed: number; readonly left: number }> {
  const clock = new SystemClock((problem) => {
    throw problem;
  });
  const flows = { leftOut: [], missing: [], changedByBoth: [], isSafe: false };
  const parts = {
    ...{ settings, clock, log: QUIET, version, buildDateMs: 0 },
    host: { flows: () => flows, isDiskSlow: () => false, palette: () => [] },
    trial: { isOn: false, isUndecided: false },
  };
  // Keeps the process alive: the clock's timers are unref'ed.
  const alive = setInterval(() => undefined, 60_000);
  const app = new App(parts);
  const { nas, credentials } = app.services;
  try {
    nas.start();
    await nas.probe();
    return await credentials.unregister();
  } finally {
    await nas.stop();
    app.data.close();
    clearInterval(alive);
    giveBack(resolve(settings.DATA_DIR));
  }
}

/** Run by root: gives new files to the service's user, should the service go on after all. */
function giveBack(folder: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (statSync(file, { throwIfNoEntry: false })?.uid === 0) lchownSync(file, uid, gid);
  }
}
