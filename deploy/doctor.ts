import { lookup } from 'node:dns/promises';
import { resolve } from 'node:path';
import {
  dataDisk as lookAtDisk,
  examine as visit,
  type HealthTold,
  type NasSeen,
} from '../host/doctor.ts';
import { askNas } from '../host/nas-finder.ts';
import type { Finding } from '../nodes/lib/system/system.ts';
import { WORDS } from '../nodes/lib/words/words.ts';
import type { Settings } from '../settings.ts';
import { knownMac } from './known-mac.ts';

export type { Finding };

/** The doctor at the shell: asks the running BaluPi from outside. */
export async function examine(settings: Settings): Promise<readonly Finding[]> {
  const dataFolder = resolve(settings.DATA_DIR);
  return inEnglish(
    await visit({
      dataFolder,
      nasUrl: settings.NAS_URL,
      nas: () => lookForNas(settings.NAS_URL),
      macAddress: knownMac(settings),
      port: settings.PORT[0] ?? 8000,
      health: () => askHealth(settings),
      hasPlugAccount: settings.TAPO_USERNAME !== null,
      backups: { toDisk: settings.BACKUP_DIR !== null, toNas: settings.BACKUP_USER !== null },
      nowMs: Date.now(),
    }),
  );
}

/** Whether a folder is fit for the data. */
export async function dataDisk(folder: string): Promise<readonly Finding[]> {
  return inEnglish(await lookAtDisk(folder));
}

function inEnglish(findings: readonly Finding<unknown>[]): readonly Finding[] {
  return WORDS.spoken('en', findings) as readonly Finding[];
}

async function lookForNas(url: string): Promise<NasSeen> {
  try {
    await lookup(new URL(url).hostname);
  } catch (error) {
    if (error instanceof Error) return { kind: 'no_address' };
    throw error;
  }
  const found = await askNas(url);
  return found === null ? { kind: 'silent' } : { kind: 'answers', version: found.version };
}

async function askHealth({ PORT: ports, HOST: host }: Settings): Promise<HealthTold | null> {
  const at = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const url = `http://${at}:${ports[0] ?? 8000}/api/health`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const told = (await answer.json()) as Partial<HealthTold>;
    const { status = 'strange', version = '?', checks = {} } = told;
    return { status, version, checks };
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
