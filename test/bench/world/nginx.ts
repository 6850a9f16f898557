import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { childrenOf } from './proc.ts';
import { ended, findProgram, onCore, pidOf } from './programs.ts';
import type { Target } from './target.ts';
import { isOpen } from './is-open.ts';
import { until } from '../../fakes/until.ts';

/**
 * nginx with sendfile on a folder; one worker, as there is one Node.
 * @returns null if nginx is not installed
 */
export async function startNginx(folder: string, workFolder: string): Promise<Target | null> {
  const program = findProgram('nginx');
  if (program === null) return null;
  mkdirSync(workFolder, { recursive: true });
  const port = await freePort();
  const file = join(workFolder, 'nginx.conf');
  writeFileSync(file, configuration(folder, workFolder, port));
  const args = ['-p', workFolder, '-c', file, '-e', 'stderr'];
  const child = spawn(...onCore(0, program, args), { stdio: ['ignore', 'ignore', 'inherit'] });
  await until('nginx to listen', () => isOpen(port));
  return {
    name: 'nginx sendfile',
    port,
    pids: childrenOf(pidOf(child)),
    headers: {},
    pathOf: (name) => `/${name}`,
    stop: () => ended(child),
  };
}

function configuration(folder: string, workFolder: string, port: number): string {
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
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  default_type application/octet-stream;
  ${temp}
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`;
}

/** nginx cannot report a port chosen by the system, so a free one is found first. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
