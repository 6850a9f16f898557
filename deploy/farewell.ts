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
 * Takes this Pi's own registrations off the lists of devices at the NAS, for a Pi that goes for
 * good. The house is built for it and not started: nothing listens, nothing is delivered. BaluPi has
 * to be stopped.
 * @returns how many went, and how many stay as the NAS did not take it now
 * @throws DataFolderInUseError and what else a start throws
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
  // The clock's timers do not keep a process alive; this one is here to wait.
  const alive = setInterval(() => undefined, 60_000);
  const house = new App(parts);
  const { nas, credentials } = house.services;
  try {
    nas.start();
    await nas.probe();
    return await credentials.unregister();
  } finally {
    await nas.stop();
    house.data.close();
    clearInterval(alive);
    giveBack(resolve(settings.DATA_DIR));
  }
}

/** Root looked in: what it made there has to be the service's, should that go on after all. */
function giveBack(folder: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    if (statSync(file, { throwIfNoEntry: false })?.uid === 0) lchownSync(file, uid, gid);
  }
}
