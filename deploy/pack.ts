import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * `npm run pack`: writes the packages' tarballs to `release/packages/` and tries each in an empty user
 * folder.
 */
export const PACKAGES = [
  'node-red-flow-files',
  'node-red-contrib-balupi-wol',
  'node-red-contrib-balupi-tapo',
] as const;

/** Limits for an installed package with its dependencies. */
export const MOST = { installedMb: 20, seconds: 60 } as const;

const ROOT = resolve(import.meta.dirname, '..', '..');

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', [...args, '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/**
 * Packs one package as it was built.
 * @param folder target of the tarball
 * @returns the tarball, and the paths of its files
 */
export function packed(
  name: string,
  folder: string,
): { readonly tarball: string; readonly files: readonly string[] } {
  mkdirSync(folder, { recursive: true });
  const place = join(ROOT, 'packages', name);
  const told = npm(['pack', '--json', `--pack-destination=${folder}`], place);
  const [made] = JSON.parse(told) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(folder, made.filename), files: made.files.map(({ path }) => path) };
}

/** Installs a tarball in a user folder as a person would. @returns time and size */
export function installed(
  tarball: string,
  userFolder: string,
): { readonly seconds: number; readonly megabytes: number } {
  const manifest = join(userFolder, 'package.json');
  if (!existsSync(manifest))
    writeFileSync(manifest, '{ "name": "user-folder", "private": true }\n');
  const from = performance.now();
  npm(['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], userFolder);
  const seconds = (performance.now() - from) / 1_000;
  return { seconds, megabytes: sizeOf(join(userFolder, 'node_modules')) / 1e6 };
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

function main(): void {
  const out = join(ROOT, 'release', 'packages');
  rmSync(out, { recursive: true, force: true });
  for (const name of PACKAGES) {
    const { tarball, files } = packed(name, out);
    const folder = mkdtempSync(join(tmpdir(), 'balupi-pack-'));
    const { seconds, megabytes } = installed(tarball, folder);
    rmSync(folder, { recursive: true });
    const packedKb = Math.round(readFileSync(tarball).length / 1_000);
    const isFine = seconds <= MOST.seconds && megabytes <= MOST.installedMb;
    console.log(
      `${tarball}: ${files.length} files, ${packedKb} kB; installed ${megabytes.toFixed(1)} MB in ` +
        `${seconds.toFixed(1)} s${isFine ? '' : `, wanted ${MOST.installedMb} MB in ${MOST.seconds} s`}`,
    );
    if (!isFine) process.exitCode = 1;
  }
}

if (process.argv[1]?.endsWith('pack.js')) main();
