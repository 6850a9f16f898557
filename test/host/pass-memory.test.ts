import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const MB = 1_000_000;
const DOWN_BYTES = 200 * MB;
const UP_BYTES = 100 * MB;
/** How much more a process may hold for it at the peak. */
const MOST_BYTES = 30 * MB;
const BLOCK = Buffer.alloc(64 * 1024, 'x');

describe('The memory of a passed request', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start();
    token = await pi.signIn('alice');
    // What the first answers allocate once, and the heap's own growth, do not count.
    for (let turn = 0; turn < 3; turn += 1) {
      await down(30 * MB);
      await up(30 * MB);
    }
  });

  after(async () => {
    await pi.stop();
  });

  function ask(method: string, path: string, headers: Record<string, string | number>) {
    return request(`${pi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...headers },
    });
  }

  async function answered(asked: ClientRequest): Promise<IncomingMessage> {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 200);
    return answer;
  }

  async function down(bytes: number, each: () => void = () => undefined): Promise<number> {
    const asked = ask('GET', `/api/vpn/down?echo_bytes=${String(bytes)}`, {});
    asked.end();
    let got = 0;
    for await (const block of await answered(asked)) {
      got += (block as Buffer).length;
      each();
    }
    return got;
  }

  async function up(bytes: number, each: () => void = () => undefined): Promise<number> {
    const asked = ask('POST', '/api/vpn/up', { 'Content-Length': bytes });
    for (let left = bytes; left > 0; left -= BLOCK.length) {
      const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
      if (!asked.write(block)) await once(asked, 'drain');
      each();
    }
    asked.end();
    const answer = await answered(asked);
    const text = Buffer.concat(await answer.toArray()).toString();
    return (JSON.parse(text) as { readonly body_bytes: number }).body_bytes;
  }

  async function grown(run: (each: () => void) => Promise<number>): Promise<number> {
    const beforeBytes = pi.residentBytes;
    let most = 0;
    let count = 0;
    await run(() => {
      count += 1;
      if (count % 50 === 0) most = Math.max(most, pi.residentBytes - beforeBytes);
    });
    return most;
  }

  it('stays where it is for 200 MB down', async () => {
    let got = 0;
    const most = await grown(async (each) => (got = await down(DOWN_BYTES, each)));
    assert.equal(got, DOWN_BYTES);
    assert.ok(most <= MOST_BYTES, `${String(Math.round(most / MB))} MB more`);
  });

  it('stays where it is for 100 MB up', async () => {
    let got = 0;
    const most = await grown(async (each) => (got = await up(UP_BYTES, each)));
    assert.equal(got, UP_BYTES);
    assert.ok(most <= MOST_BYTES, `${String(Math.round(most / MB))} MB more`);
  });
});
