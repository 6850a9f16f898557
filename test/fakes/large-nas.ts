import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const LARGE_FOLDER_FILES = 100_000;
export const LARGE_FOLDER = 'alice/large';

/** A proxy before the practice NAS that adds one folder too large to lie on a test's disk. */
export class LargeNas {
  readonly #server: Server;
  readonly #behind: string;
  lists = 0;
  files = LARGE_FOLDER_FILES;

  constructor(behind: string) {
    this.#behind = behind;
    this.#server = createServer((incoming, outgoing) => {
      const url = new URL(incoming.url ?? '/', this.#behind);
      if (url.pathname === '/api/files/list' && url.searchParams.get('path') === LARGE_FOLDER) {
        this.lists += 1;
        void this.#list(outgoing);
        return;
      }
      if (url.pathname.startsWith(`/api/files/download/${LARGE_FOLDER}/`)) {
        this.#download(incoming.headers.range, outgoing);
        return;
      }
      const { method, headers } = incoming;
      const onward = request(url, { method, headers }, (answered) => {
        outgoing.writeHead(answered.statusCode ?? 502, answered.headers);
        answered.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      incoming.pipe(onward);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #download(range: string | undefined, outgoing: ServerResponse): void {
    const isPart = range === 'bytes=0-0';
    outgoing.writeHead(isPart ? 206 : 200, {
      'Content-Type': 'image/jpeg',
      'Content-Length': isPart ? 1 : 5,
      'Last-Modified': 'Fri, 20 Feb 2026 10:00:00 GMT',
      ETag: '"d41d8cd98f00b204e9800998ecf8427e"',
      ...(isPart ? { 'Content-Range': 'bytes 0-0/5' } : {}),
    });
    outgoing.end(isPart ? 'h' : 'hello');
  }

  async #list(outgoing: ServerResponse): Promise<void> {
    outgoing.writeHead(200, { 'Content-Type': 'application/json' });
    outgoing.write('{"files":[');
    for (let from = 0; from < this.files; from += 500) {
      const items: string[] = [];
      for (let index = from; index < Math.min(this.files, from + 500); index += 1) {
        items.push(JSON.stringify(itemAt(index)));
      }
      const text = `${from === 0 ? '' : ','}${items.join(',')}`;
      if (!outgoing.write(text)) await new Promise((next) => outgoing.once('drain', next));
    }
    outgoing.end(']}');
  }
}

function itemAt(index: number): object {
  const name = `IMG_${String(index).padStart(6, '0')}.jpg`;
  return {
    name,
    path: `${LARGE_FOLDER}/${name}`,
    size: 5,
    type: 'file',
    modified_at: '2026-02-20T10:00:00.123456Z',
    owner_id: null,
    owner_name: null,
    mime_type: 'image/jpeg',
    file_id: 5_000_000 + index,
    checksum: null,
    sync_info: null,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}
