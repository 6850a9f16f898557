import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import {
  type Availability,
  BufferPool,
  type ByteSource,
  ResponseWriter,
  sendSource,
} from '../../../nodes/lib/cache/serve/byte-source.ts';

describe('Sending what is still fetched', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-partial-'));
  const file = join(folder, 'part');
  let fd: number;

  before(() => {
    writeFileSync(file, 'half of it');
    fd = openSync(file, 'r');
  });

  after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('ends for a caller who went while a block was read, though no more ever comes', async () => {
    const response = new Writable({ write: (_chunk, _encoding, done) => done() });
    let waits = 0;
    const source: ByteSource = {
      get fd() {
        // Runs when the read begins, so the caller leaves before the disk has answered.
        response.destroy();
        return fd;
      },
      available: (position): Availability | Promise<Availability> => {
        if (position > 0) {
          waits += 1;
          return new Promise<Availability>(() => undefined);
        }
        return { kind: 'upto', bytes: 10 };
      },
      cancel: () => undefined,
    };
    const writer = new ResponseWriter(response as unknown as ServerResponse);
    const range = { first: 0, last: 99 };
    const outcome = await sendSource(writer, source, range, new BufferPool(64, 2, 16));
    assert.deepEqual([outcome, waits], [{ kind: 'cut' }, 0]);
  });
});
