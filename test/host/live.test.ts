import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
};

describe('The websocket of the notifications', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_LOG_LEVEL: 'debug' },
    });
    token = await pi.signIn('alice');
  });

  after(async () => {
    await pi.stop();
  });

  async function socketToken(): Promise<string> {
    const answered = await fetch(`${pi.url}/api/notifications/ws-token`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(answered.status, 200);
    return ((await answered.json()) as { readonly token: string }).token;
  }

  async function opened(given: string, path = '/api/notifications/ws'): Promise<Opened> {
    const url = pi.url.replace('http', 'ws');
    const socket = new WebSocket(`${url}${path}?token=${given}`);
    const said: string[] = [];
    socket.addEventListener('message', ({ data }) => said.push(String(data)));
    const closed = once(socket, 'close').then(([event]) => (event as CloseEvent).code);
    await once(socket, 'open');
    return { socket, said, closed };
  }

  interface Opened {
    readonly socket: WebSocket;
    readonly said: readonly string[];
    readonly closed: Promise<number>;
  }

  /** Opens a handshake that is refused. */
  async function refusal(
    path: string,
    headers: Record<string, string> = HANDSHAKE,
  ): Promise<{ status: number; retryAfter: string | undefined; code: unknown; id: string }> {
    const asked = request(`${pi.url}${path}`, { headers });
    asked.end();
    const [answered] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
    const body = JSON.parse(await textOf(answered)) as { readonly code: unknown };
    const retryAfter = answered.headers['retry-after'];
    const id = String(answered.headers['x-request-id']);
    return { status: answered.statusCode ?? 0, retryAfter, code: body.code, id };
  }

  async function becomes(wanted: 'awake' | 'soft_sleep'): Promise<void> {
    const headers = { Authorization: `Bearer ${token}` };
    await pi.until('the NAS to be seen so', async () => {
      const told = await fetch(`${pi.url}/api/nas/status`, { headers });
      return ((await told.json()) as { sleep_state: unknown }).sleep_state === wanted;
    });
  }

  it('lets the app and the NAS speak, with the NAS’s own token alone', async () => {
    const given = await socketToken();
    const { socket, said, closed } = await opened(given);
    await pi.until('the first message', () => said.length === 1);
    assert.deepEqual(JSON.parse(said[0] ?? ''), { type: 'unread_count', payload: { count: 0 } });
    pi.nas.notify('alice', 'A disk is full.');
    pi.nas.notify('bob', 'Not for alice.');
    await pi.until('a notification', () => said.length === 2);
    assert.match(said[1] ?? '', /A disk is full/);
    socket.send(JSON.stringify({ type: 'ping' }));
    await pi.until('a pong', () => said.length === 3);
    assert.deepEqual(JSON.parse(said[2] ?? ''), { type: 'pong' });
    const headers = pi.nas.notifications.opened.at(-1);
    assert.equal(headers?.authorization, undefined);
    assert.equal(headers?.host, new URL(pi.nas.url).host);
    socket.close(1000);
    await closed;
    await pi.until('the NAS’s end to be closed', () => pi.nas.notifications.liveCount === 0);
  });

  it('is the same address in every spelling of it', async () => {
    const { socket, closed } = await opened(await socketToken(), '//api//notifications/%77s/');
    socket.close(1000);
    await closed;
  });

  it('is refused by the NAS’s word, and without a token before that', async () => {
    const wrong = await refusal('/api/notifications/ws?token=made-up');
    assert.deepEqual([wrong.status, wrong.code], [403, 'not_allowed']);
    assert.match(wrong.id, /^[0-9a-f-]{36}$/);
    for (const path of ['/api/notifications/ws', '/api/notifications/ws?token=%20a%0d%0ab']) {
      const none = await refusal(path);
      assert.deepEqual([none.status, none.code], [401, 'no_token'], path);
    }
    const other = await refusal('/api/vpn/ws?token=x');
    assert.deepEqual([other.status, other.code], [401, 'no_token'], 'no other socket passes');
    const plain = await refusal('/api/notifications/ws?token=x', {});
    assert.equal(plain.status, 401);
  });

  it('ends when the NAS sleeps, with a code at which the app tries again', async () => {
    const { closed } = await opened(await socketToken());
    await pi.nas.sleep('soft');
    assert.equal(await closed, 1001);
  });

  it('is refused at once while the NAS sleeps', async () => {
    await becomes('soft_sleep');
    const startedMs = performance.now();
    const told = await refusal('/api/notifications/ws?token=x');
    assert.deepEqual([told.status, told.code], [503, 'nas_asleep']);
    assert.match(told.id, /^[0-9a-f-]{36}$/);
    assert.match(told.retryAfter ?? '', /^\d+$/);
    assert.ok(performance.now() - startedMs < 5_000);
    assert.equal(pi.nas.sleepState, 'soft_sleep', 'it wakes nothing');
    await pi.nas.wake();
    await becomes('awake');
  });

  it('stands in no log', async () => {
    const given = await socketToken();
    const { socket, closed } = await opened(given);
    socket.close(1000);
    await closed;
    await refusal('/api/notifications/ws?token=secret-made-up-token');
    assert.ok(!pi.output.includes(given));
    assert.doesNotMatch(pi.output, /secret-made-up-token/);
  });
});
