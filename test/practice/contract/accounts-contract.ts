import assert from 'node:assert/strict';
import type { NasCaller } from './nas-under-test.ts';

function claimsOf(token: string): Record<string, unknown> {
  const payload = token.split('.')[1] ?? '';
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>;
}

/** Sign-in, tokens, keys, registration, as recorded on 1.38. */
export function describeAccounts(caller: () => NasCaller): void {
  describe('accounts', () => {
    it('signs in with JSON and gives a token of 15 minutes whose sub is the id as a string', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const claims = claimsOf(token);
      assert.equal(typeof claims['sub'], 'string');
      assert.equal(claims['username'], nas.nas.user.username);
      assert.equal(claims['type'], 'access');
      assert.equal(Number(claims['exp']) - Number(claims['iat']), 900);
      assert.deepEqual(Object.keys(claims), ['sub', 'username', 'role', 'type', 'exp', 'iat']);
    });

    it('shows the caller without any secret, times without a zone', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const reply = await nas.call('GET /api/auth/me', { token });
      const me = reply.body as Record<string, unknown>;
      assert.deepEqual(Object.keys(me), [
        'username',
        'email',
        'id',
        'role',
        'is_active',
        'smb_enabled',
        'created_at',
        'updated_at',
      ]);
      assert.match(String(me['created_at']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
      assert.equal(String(me['id']), claimsOf(token)['sub']);
    });

    it('refuses a form-encoded login with 422 and says what it got', async () => {
      const nas = caller();
      const reply = await nas.call('POST /api/auth/login', {
        raw: 'username=admin&password=x',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      assert.equal(reply.status, 422);
      assert.deepEqual(reply.body, {
        detail: [
          {
            type: 'model_attributes_type',
            loc: ['body'],
            msg: 'Input should be a valid dictionary or object to extract fields from',
            input: "b'username=admin&password=x'",
          },
        ],
      });
    });

    it('names the missing token, and only then www-authenticate', async () => {
      const nas = caller();
      const none = await nas.call('GET /api/auth/me');
      assert.equal(none.status, 401);
      assert.equal(none.headers.get('www-authenticate'), 'Bearer');
      assert.deepEqual(none.body, { detail: 'No authentication token provided' });
      const forged = await nas.call('GET /api/auth/me', { token: 'a.b.c' });
      assert.equal(forged.status, 401);
      assert.equal(forged.headers.get('www-authenticate'), null);
      assert.deepEqual(forged.body, { detail: 'Could not validate credentials' });
    });

    it('does not take an access token for a refresh token', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const reply = await nas.call('POST /api/auth/refresh', { json: { refresh_token: token } });
      assert.equal(reply.status, 401);
      assert.deepEqual(reply.body, { detail: 'Invalid refresh token' });
    });

    it('makes a key for a user, that acts as the user until it is revoked', async () => {
      const nas = caller();
      const admin = await nas.tokenOf(nas.nas.admin);
      const user = await nas.tokenOf(nas.nas.user);
      const id = Number(claimsOf(user)['sub']);
      const json = { name: nas.folder, target_user_id: id };
      const denied = await nas.call('POST /api/api-keys', { token: user, json });
      assert.deepEqual(denied.body, { detail: 'Insufficient permissions: Admin required' });
      const made = await nas.call('POST /api/api-keys', { token: admin, json });
      assert.equal(made.status, 201);
      const key = made.body as { id: number; key: string; key_prefix: string };
      assert.equal(key.key.slice(0, 12), key.key_prefix);
      const me = await nas.call('GET /api/auth/me', { token: key.key });
      assert.equal((me.body as { username: string }).username, nas.nas.user.username);
      const gone = await nas.call(`DELETE /api/api-keys/${String(key.id)}`, { token: admin });
      assert.deepEqual(gone.body, { detail: 'API key deleted successfully' });
      const after = await nas.call('GET /api/auth/me', { token: key.key });
      assert.equal(after.status, 401);
      assert.deepEqual(after.body, { detail: 'Invalid API key' });
    });

    it('registers a device whose refresh token is used again and again, until any logout', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.other);
      const made = await nas.call(
        'POST /api/mobile/token/generate?device_name=BaluPi&token_validity_days=180',
        { token },
      );
      const offer = made.body as { token: string; device_token_validity_days: number };
      assert.equal(offer.device_token_validity_days, 180);
      const registration = offer.token;
      const device_info = {
        device_name: 'BaluPi',
        device_type: 'android',
        device_model: 'Pi 3B+',
        os_version: '13',
        app_version: '1.0',
      };
      const json = { token: registration, device_info, token_validity_days: 180 };
      const done = await nas.call('POST /api/mobile/register', { json });
      assert.equal(done.status, 200, done.text);
      const granted = done.body as {
        refresh_token: string;
        user: { created_at: string };
        device: { id: string };
      };
      assert.match(granted.user.created_at, /\.\d{3}Z$/);
      for (let time = 0; time < 2; time += 1) {
        const again = await nas.call('POST /api/auth/refresh', { json: granted });
        assert.equal(again.status, 200);
        assert.deepEqual(Object.keys(again.body as object), ['access_token', 'token_type', 'user']);
      }
      const asBearer = await nas.call('GET /api/auth/me', { token: granted.refresh_token });
      assert.deepEqual(asBearer.body, { detail: 'Could not validate credentials' });
      const out = await nas.call('POST /api/auth/logout', { token });
      assert.deepEqual(out.body, { message: 'Logged out' });
      const revoked = await nas.call('POST /api/auth/refresh', { json: granted });
      assert.equal(revoked.status, 401);
      assert.deepEqual(revoked.body, { detail: 'Refresh token has been revoked' });
      assert.equal((await nas.call('GET /api/auth/me', { token })).status, 200);
      const removed = await nas.call(`DELETE /api/mobile/devices/${granted.device.id}`, { token });
      assert.equal(removed.status, 204);
    });

    it('names all that a registration lacks, with what it got', async () => {
      const reply = await caller().call('POST /api/mobile/register', { json: {} });
      assert.equal(reply.status, 422);
      const missing = (name: string): object => ({
        type: 'missing',
        loc: ['body', name],
        msg: 'Field required',
        input: '{}',
      });
      assert.deepEqual(reply.body, { detail: [missing('token'), missing('deviceInfo')] });
      const json = { token: 'reg_nope', device_info: { device_type: 'android' } };
      const partly = await caller().call('POST /api/mobile/register', { json });
      assert.deepEqual(
        (partly.body as { detail: { loc: unknown }[] }).detail.map(({ loc }) => loc),
        ['deviceName', 'deviceModel', 'osVersion', 'appVersion'].map((name) => [
          'body',
          'device_info',
          name,
        ]),
      );
    });

    it('knows a pairing only by its own code', async () => {
      const nas = caller();
      const token = await nas.tokenOf(nas.nas.user);
      const asked = await nas.call('POST /api/desktop-pairing/device-code', {
        json: { device_id: nas.folder, device_name: 'PC', platform: 'linux' },
      });
      const { user_code } = asked.body as { user_code: string };
      const line = 'POST /api/desktop-pairing/verify';
      const shown = await nas.call(line, { token, json: { user_code } });
      const keys = ['device_name', 'device_id', 'platform', 'created_at', 'expires_at'];
      assert.deepEqual(Object.keys(shown.body as object), keys);
      const json = { user_code: '000000' };
      for (const step of ['verify', 'approve']) {
        const reply = await nas.call(`POST /api/desktop-pairing/${step}`, { token, json });
        assert.equal(reply.status, 404, step);
        assert.deepEqual(reply.body, { detail: 'Invalid or expired code' }, step);
      }
    });

    it('does not know an invented registration token', async () => {
      const json = {
        token: 'reg_nope',
        device_info: {
          device_name: 'x',
          device_type: 'android',
          device_model: 'x',
          os_version: '1',
          app_version: '1',
        },
      };
      const reply = await caller().call('POST /api/mobile/register', { json });
      assert.equal(reply.status, 401);
      assert.deepEqual(reply.body, { detail: 'Invalid registration token' });
    });
  });
}
