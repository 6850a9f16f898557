import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The release for an architecture, rebuilt if the build is newer. @returns its file */
export function releaseArchive(machine: 'arm64' | 'x64', log: (line: string) => void): string {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const archive = resolve('release', `balupi-${version}-linux-${machine}.tar.xz`);
  const builtMs = statSync(join('dist', '.balupi-built')).mtimeMs;
  if (!existsSync(archive) || statSync(archive).mtimeMs < builtMs) {
    log('making a release; packing it takes some minutes');
    execFileSync(process.execPath, ['dist/deploy/release.js', machine], { stdio: 'ignore' });
  }
  return archive;
}
