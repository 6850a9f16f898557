import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeSet } from '../flows/node-types.ts';

/** For npm in that folder, run by Node-RED or by hand. */
const PINNED = 'save-exact=true\n';

/**
 * Makes Node-RED's folder, where npm pins exact versions of what an owner adds, so that no later
 * install changes them.
 */
export function makeNodeRedFolder(userFolder: string): void {
  mkdirSync(userFolder, { recursive: true, mode: 0o700 });
  const file = join(userFolder, '.npmrc');
  if (!existsSync(file)) writeFileSync(file, PINNED);
}

/** Node packages that an owner added, as `name@version`, with the state of those that do not load. */
export function ownersPalette(sets: readonly NodeSet[]): readonly string[] {
  const packages = new Map<string, string>();
  for (const { module, version, local, err } of sets) {
    if (local !== true || module === undefined) continue;
    const broken = err === undefined || err === null ? '' : ' (does not load)';
    packages.set(module, `${module}@${version ?? '?'}${broken}`);
  }
  return [...packages.values()].sort();
}
