import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = {
  BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
  BALUPI_NAS_BOOT_TIMEOUT_SECONDS: '20',
  BALUPI_WAKE_HOLD_SECONDS: '15',
};
const SIZE = 300_000;

describe('A file that is not kept, through a whole BaluPi', function () {
  this.timeout(90_000);
  let booted: BootedBaluPi;
  let token: string;
  const bytes = Buffer.alloc(SIZE, 'abcdefg');

  before(async () => {
    booted = await BootedBaluPi.start({ environment: SETTINGS });
    await booted.nas.putFile('alice/v/first.bin', bytes, 'alice');
    token = await booted.signIn('alice');
  });

  after(async () => {
    await booted.stop();
  });

  async function call(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const all = { Authorization: `Bearer ${token}`, ...headers };
    return await fetch(`${booted.url}/api/files/${path}`, { headers: all });
  }

  /** `whole`, `cut`, or the status and code of a refusal. */
  async function read(name: string): Promise<string> {
    const answered = await call(`download/alice/v/${name}`);
    if (answered.status !== 200) {
      const { code } = (await answered.json()) as { code: string };
      return `${answered.status} ${code}`;
    }
    try {
      const got = Buffer.from(await answered.arrayBuffer());
      assert.ok(got.equals(bytes), 'a clean end with other bytes');
      return 'whole';
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return 'cut';
    }
  }

  async function online(): Promise<boolean> {
    const answered = await fetch(`${booted.url}/api/nas/status`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    return ((await answered.json()) as { online: boolean }).online;
  }

  function downloadsOf(name: string): number {
    const path = `/api/files/download/alice/v/${name}`;
    return booted.nas.requests.filter((request) => request.path === path).length;
  }

  for (const [what, fault, expected] of [
    // Nothing was sent yet, so the Pi may retry by itself.
    ['before a header', { cutAfterBytes: 0 }, /^503 nas_asleep$|^cut$|^whole$/],
    ['after its first byte', { cutAfterBytes: 1 }, /^cut$/],
    ['in the middle', { cutAfterBytes: SIZE / 2 }, /^cut$/],
    ['before its last byte', { cutAfterBytes: SIZE - 1 }, /^cut$/],
    ['with a torn read that looks whole', { tornRead: true }, /^cut$/],
    ['with a page of its proxy', { status: 502, html: true }, /^50[23] /],
  ] as const) {
    it(`is never ended cleanly when the NAS fails it ${what}, and comes right after that`, async () => {
      // A folder of its own, as the listing of a folder just read is reused.
      const name = `${what.replaceAll(' ', '-')}/a.bin`;
      await booted.nas.putFile(`alice/v/${name}`, bytes, 'alice');
      await booted.until('awake', online);
      const path = new RegExp(`download/.*${name}`);
      booted.nas.faults.set({ path, ...fault, times: 1 });
      assert.match(await read(name), expected);
      await booted.until('awake', online);
      await booted.until('the right bytes', async () => (await read(name)) === 'whole');
      const kept = await call(`download/alice/v/${name}`);
      assert.equal(kept.headers.get('x-balupi-cache'), 'hit');
      assert.ok(Buffer.from(await kept.arrayBuffer()).equals(bytes));
    });
  }

  it('asks the NAS for one listing and one download, and for nothing after', async () => {
    await booted.nas.putFile('alice/once/o.bin', bytes, 'alice');
    await booted.until('awake', online);
    booted.nas.resetCounters();
    const readers = Array.from({ length: 8 }, () => call('download/alice/once/o.bin'));
    for (const reader of await Promise.all(readers)) {
      assert.ok(Buffer.from(await reader.arrayBuffer()).equals(bytes));
    }
    const asked = (start: string): number =>
      booted.nas.requests.filter(({ url }) => url.startsWith(start)).length;
    assert.equal(asked('/api/files/download/alice/once/o.bin'), 1);
    assert.equal(asked('/api/files/list?path=alice%2Fonce'), 1);
  });

  it('wakes the NAS once for eight who wait, and then is one stream for all of them', async () => {
    await booted.nas.putFile('alice/v/asleep.bin', bytes, 'alice');
    await call('list?path=alice/v');
    await booted.until('listed', async () =>
      (await (await call('list?path=alice/v')).text()).includes('asleep.bin'),
    );
    await booted.nas.sleep('suspend');
    await booted.until('asleep', async () => !(await online()));
    booted.nas.resetCounters();
    const readers = Array.from({ length: 8 }, () => read('asleep.bin'));
    const quiet = call('download/alice/v/asleep.bin', { 'X-Sync-Trigger': 'auto' });
    assert.equal((await quiet).status, 503, 'who asks for no waking is told at once');
    assert.deepEqual(new Set(await Promise.all(readers)), new Set(['whole']));
    assert.equal(downloadsOf('asleep.bin'), 1);
    // One burst: its packets to one address follow each other closely.
    const times = booted.nas.magicPackets.map(({ atMs }) => atMs);
    assert.ok(times.length > 0);
    assert.ok(Math.max(...times) - Math.min(...times) < 5_000);
  });
});
