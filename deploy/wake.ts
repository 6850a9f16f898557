import { networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { gatherEnvironment } from '../host/environment.ts';
import {
  parseWakeAddress,
  udpMagicPacket,
  type WakeTarget,
  wakeTargets,
} from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { SystemClock } from '../nodes/lib/time/system-clock.ts';
import { readSettings, SETTINGS, type Settings } from '../settings.ts';
import { knownMac } from './known-mac.ts';

// As the service does: opening the database may create a log file.
process.umask(0o077);

/**
 * `npm run wake`, at the Pi's shell: wakes the NAS without a sign-in. Works with or without a running
 * BaluPi.
 */
const PROBE_LIMIT_MS = 2_000;
const PROBE_EVERY_MS = 1_000;

/** Any answer means awake; without a token a NAS answers 401, and the request does not wake it. */
async function answers(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    await fetch(`${url}/api/system/info`, { signal, redirect: 'manual' });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Tries all networks, even if one is down. @returns those that accepted the packet */
async function sendTo(mac: string, targets: readonly WakeTarget[]): Promise<readonly WakeTarget[]> {
  const results = await Promise.allSettled(
    targets.map((target) => udpMagicPacket.send(mac, target)),
  );
  return targets.filter((_target, index) => results[index]?.status === 'fulfilled');
}

async function wake(settings: Settings): Promise<number> {
  if (await answers(settings.NAS_URL)) {
    console.log('The NAS answers already.');
    return 0;
  }
  const mac = knownMac(settings);
  if (mac === null) {
    console.error('No MAC address of the NAS is known. Set BALUPI_NAS_MAC_ADDRESS.');
    return 1;
  }
  const given = settings.NAS_WAKE_ADDRESS;
  const targets = wakeTargets(given === null ? null : parseWakeAddress(given), networkInterfaces());
  const sent = await sendTo(mac, targets);
  if (sent.length === 0) {
    console.error(
      'No magic packet could be sent: no network of this Pi takes one. Is it connected?',
    );
    return 1;
  }
  const places = sent.map(({ address, port }) => `${address}:${port}`).join(', ');
  console.log(`Sent a magic packet for ${mac} to ${places}.`);
  return await watch(settings);
}

async function watch(settings: Settings): Promise<number> {
  const clock = new SystemClock((problem) => {
    console.error(problem);
  });
  const limitMs = clock.monotonicMs() + settings.NAS_BOOT_TIMEOUT_SECONDS * 1_000;
  // Keeps the process alive: the clock's timers are unref'ed.
  const alive = setInterval(() => process.stdout.write('.'), PROBE_EVERY_MS);
  try {
    while (clock.monotonicMs() < limitMs) {
      if (await answers(settings.NAS_URL)) {
        console.log('\nThe NAS is awake.');
        return 0;
      }
      await clock.sleep(PROBE_EVERY_MS);
    }
  } finally {
    clearInterval(alive);
  }
  console.error(`\nThe NAS did not answer within ${settings.NAS_BOOT_TIMEOUT_SECONDS} s.`);
  return 1;
}

const packageFolder = resolve(import.meta.dirname, '..', '..');
// A wake needs no key.
const environment = { BALUPI_SECRET_KEY: 'not-needed-to-wake-0123456789abcdef', ...process.env };
const read = readSettings(
  gatherEnvironment(join(packageFolder, '.env'), environment, Object.keys(SETTINGS)),
);
if (read.kind === 'faults') {
  console.error(read.faults.join('\n'));
  process.exitCode = 1;
} else {
  process.exitCode = await wake(read.settings);
}
