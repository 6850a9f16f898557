import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * As long as the apps' own (a UUID): busboy skips ahead by a boundary's length (measured: its
 * search took eight times as long with one of a single letter).
 */
const BOUNDARY = '0f3c7a52-61d4-4b0e-9c1f-7d2e8a94b6c3';

/** Runs in a process of its own, so that the server's CPU time is the server's alone. */
const CLIENT = `
const http = require('node:http');
const [url, method, bytes, clients, seconds] = process.argv.slice(1);
const size = Number(bytes), until = Date.now() + Number(seconds) * 1000;
const random = require('node:crypto').randomBytes(Math.min(size, 1 << 20));
const agent = new http.Agent({ keepAlive: true, maxSockets: Number(clients) });
const head = Buffer.from('--${BOUNDARY}\\r\\nContent-Disposition: form-data; name="file"; filename="f"\\r\\n\\r\\n');
const tail = Buffer.from('\\r\\n--${BOUNDARY}--\\r\\n');
const form = method === 'POST';
let count = 0, serial = 0;
const send = (block) => new Promise((resolve, reject) => {
  const to = form ? url + '?path=alice/' + (++serial) + '/f' : url + '/' + (++serial);
  const length = size + (form ? head.length + tail.length : 0);
  const headers = { 'Content-Length': length };
  if (form) headers['Content-Type'] = 'multipart/form-data; boundary=${BOUNDARY}';
  const request = http.request(to, { method, agent, headers }, (answer) => {
    answer.resume();
    answer.on('end', () => answer.statusCode < 300 ? resolve() : reject(new Error('' + answer.statusCode)));
  });
  request.on('error', reject);
  if (form) request.write(head);
  block.writeUInt32LE(serial, 0);
  let left = size;
  const pump = () => {
    while (left > 0) {
      const chunk = left >= block.length ? block : block.subarray(0, left);
      left -= chunk.length;
      if (!request.write(chunk)) return request.once('drain', pump);
    }
    request.end(form ? tail : undefined);
  };
  pump();
});
const client = async () => {
  const block = Buffer.from(random);
  do { await send(block); count += 1; } while (Date.now() < until);
};
const began = process.hrtime.bigint();
Promise.all(Array.from({ length: Number(clients) }, client)).then(() => {
  console.log(count + ' ' + Number(process.hrtime.bigint() - began) / 1e9);
  process.exit(0);
}, (error) => { console.error(error.message); process.exit(1); });
`;

export interface Load {
  readonly url: string;
  readonly method: 'POST' | 'PUT';
  readonly bytes: number;
  readonly clients: number;
  readonly seconds: number;
}

export interface Taken {
  readonly count: number;
  readonly wallS: number;
  /** Of the server, while the client ran. */
  readonly cpuS: number;
}

/** Sends uploads from a process of its own. @throws Error if one is refused */
export async function load({ url, method, bytes, clients, seconds }: Load): Promise<Taken> {
  const before = process.cpuUsage();
  const args = ['-e', CLIENT, url, method, String(bytes), String(clients), String(seconds)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error('The client of the bench failed.');
  const used = process.cpuUsage(before);
  const [count = 0, wallS = 0] = text.trim().split(' ').map(Number);
  return { count, wallS, cpuS: (used.user + used.system) / 1e6 };
}
