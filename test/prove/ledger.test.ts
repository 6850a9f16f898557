import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../fakes/manual-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';
import { Ledger } from './world/ledger.ts';

const FOLDER = 'alice/proof';
const PATH = `${FOLDER}/a.bin`;

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

describe('the ledger of a proof', () => {
  let folder: string;
  let nas: PracticeNas;
  let ledger: Ledger;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-ledger-'));
    nas = new PracticeNas({ clock: new ManualClock(), storageFolder: folder });
    await nas.start();
    ledger = new Ledger();
  });

  afterEach(async () => {
    await nas.stop();
    rmSync(folder, { recursive: true });
  });

  function acknowledge(text: string): void {
    ledger.sending(PATH, sha256(text)).acknowledgedAs = `id-${text}`;
  }

  async function deliver(text: string, path = PATH): Promise<void> {
    await nas.putFile(path, Buffer.from(text), 'alice');
  }

  it('is content when every version came once and in order', async () => {
    acknowledge('one');
    acknowledge('two');
    await deliver('one');
    await deliver('two');
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), []);
  });

  it('lets what was never acknowledged come or not', async () => {
    ledger.sending(PATH, sha256('cut'));
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), []);
    await deliver('cut');
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), []);
  });

  it('misses an acknowledged version that never came', async () => {
    acknowledge('one');
    acknowledge('two');
    await deliver('two');
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), [
      `${PATH}: version 0 was acknowledged and never came to the NAS`,
    ]);
  });

  it('sees a version that came twice', async () => {
    acknowledge('one');
    await deliver('one');
    await deliver('one');
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), [
      `${PATH}: version 0 came to the NAS twice`,
    ]);
  });

  it('sees versions in the wrong order', async () => {
    acknowledge('one');
    acknowledge('two');
    await deliver('two');
    await deliver('one');
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), [
      `${PATH}: version 0 came after version 1`,
    ]);
  });

  it('sees bytes that nobody sent', async () => {
    await deliver('half a fi', `${FOLDER}/b.bin`);
    assert.deepEqual(await ledger.faultsAt(nas, FOLDER), [
      `${FOLDER}/b.bin holds bytes that nobody sent there`,
    ]);
  });
});
