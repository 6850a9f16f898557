import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * The most Node can do: `node bare-node-process <files>` answers each request from one buffer in
 * memory, by a bare `node:http` server that decides nothing.
 */
const [files = ''] = process.argv.slice(2);
const MOST_BYTES = 16 * 1024 * 1024;
const held = new Map<string, Buffer>();

function bytesOf(name: string): Buffer | null {
  const known = held.get(name);
  if (known !== undefined) return known;
  const file = join(files, name);
  if (statSync(file).size > MOST_BYTES) return null;
  const bytes = readFileSync(file);
  held.set(name, bytes);
  return bytes;
}

const server = createServer((request, response) => {
  const bytes = bytesOf((request.url ?? '/').slice(1));
  if (bytes === null) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'Content-Length': bytes.length,
    'Content-Type': 'application/octet-stream',
  });
  response.end(bytes);
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit(0));
