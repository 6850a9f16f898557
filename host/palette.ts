import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeSet } from '../flows/node-types.ts';

/** For the npm that Node-RED calls in its folder, or an owner by hand. */
const PINNED = 'save-exact=true\n';

/**
 * Makes Node-RED's folder. In it npm notes exact versions of what an owner adds: another version
 * comes by somebody's will, and not with the next installation.
 */
export function makeNodeRedFolder(userFolder: string): void {
  mkdirSync(userFolder, { recursive: true, mode: 0o700 });
  const file = join(userFolder, '.npmrc');
  if (!existsSync(file)) writeFileSync(file, PINNED);
}

/** Packages of nodes that an owner added, as `name@version`, with what became of those that do not load. */
export function ownersPalette(sets: readonly NodeSet[]): readonly string[] {
  const packages = new Map<string, string>();
  for (const { module, version, local, err } of sets) {
    if (local !== true || module === undefined) continue;
    const broken = err === undefined || err === null ? '' : ' (does not load)';
    packages.set(module, `${module}@${version ?? '?'}${broken}`);
  }
  return [...packages.values()].sort();
}
