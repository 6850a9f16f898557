import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_FOLDER } from '../project-folder.ts';
import { freePort } from './nginx.ts';
import { childrenOf } from './proc.ts';
import { ended, findProgram, onCore, pidOf } from './programs.ts';
import { isOpen } from './is-open.ts';
import { until } from '../../fakes/until.ts';

/** An nginx in front of a BaluPi, with deploy/nginx.conf. */
export interface NginxFront {
  readonly port: number;
  /** Its worker. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/**
 * @param blobs that BaluPi's blobs
 * @returns null if nginx is not installed
 */
export async function startNginxFront(
  balupiPort: number,
  blobs: string,
  workFolder: string,
): Promise<NginxFront | null> {
  const program = findProgram('nginx');
  if (program === null) return null;
  mkdirSync(workFolder, { recursive: true });
  const port = await freePort();
  const site = readFileSync(join(PROJECT_FOLDER, 'deploy', 'nginx.conf'), 'utf8')
    .replace('server 127.0.0.1:8000;', `server 127.0.0.1:${balupiPort};`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace(/alias [^;]+;/, `alias ${blobs}/;`);
  const file = join(workFolder, 'nginx.conf');
  writeFileSync(file, around(site, workFolder));
  const args = ['-p', workFolder, '-c', file, '-e', join(workFolder, 'error.log')];
  const child = spawn(...onCore(0, program, args), { stdio: 'ignore' });
  await until('nginx to listen', () => isOpen(port));
  return { port, pids: childrenOf(pidOf(child)), stop: () => ended(child) };
}

/** What a distribution's own nginx.conf has around a site. */
function around(site: string, workFolder: string): string {
  // Started by root, its worker would be a user without access to a private folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(workFolder, name)};`)
    .join('\n  ');
  return `${user}
daemon off;
worker_processes 1;
pid ${join(workFolder, 'nginx.pid')};
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  default_type application/octet-stream;
  ${temp}
${site}
}
`;
}
