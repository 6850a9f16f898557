import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './nginx.ts';
import { childrenOf } from './proc.ts';
import { ended, findProgram, pidOf } from './programs.ts';
import { isOpen } from './is-open.ts';
import { until } from '../../fakes/until.ts';

/** An nginx that stores PUTs in a folder. */
export interface DavNginx {
  readonly url: string;
  readonly files: string;
  /** Its workers. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** @returns null if nginx or its dav module is not installed */
export async function openDavNginx(workFolder: string): Promise<DavNginx | null> {
  const program = findProgram('nginx');
  if (program === null) return null;
  const built = spawnSync(program, ['-V'], { encoding: 'utf8' });
  if (!built.stderr.includes('http_dav_module')) return null;
  const files = join(workFolder, 'files');
  mkdirSync(files, { recursive: true });
  const port = await freePort();
  const config = join(workFolder, 'nginx.conf');
  writeFileSync(config, configuration(workFolder, files, port));
  const child = spawn(program, ['-p', workFolder, '-c', config, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until('nginx to listen', () => isOpen(port));
  return {
    url: `http://127.0.0.1:${port}`,
    files,
    pids: childrenOf(pidOf(child)),
    stop: () => ended(child),
  };
}

function configuration(workFolder: string, files: string, port: number): string {
  // Started by root, its worker would be a user without access to a private folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `${user}
daemon off;
worker_processes 1;
pid ${join(workFolder, 'nginx.pid')};
events {}
http {
  access_log off;
  client_body_temp_path ${join(workFolder, 'body')};
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    root ${files};
    location / { dav_methods PUT; }
  }
}
`;
}
