import type { CredentialView, SignInOutcome, User } from '../lib/accounts/accounts.ts';
import {
  answerTo,
  type Credential,
  type CredentialBody,
  type CredentialDropQuery,
  type CredentialList,
  endpointById,
  type EndpointId,
  type GoodbyeAnswer,
  type HandshakeStatus,
  type HelloAnswer,
  type LoginBody,
  type NasStatus,
  type PairedDesktopList,
  type People,
  type RefreshBody,
  type VerifyTwoFactorBody,
} from '../lib/api/api.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  nasRefusal,
  requestOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import type { ClaimedCall, HandshakeResult } from '../lib/handshake/handshake.ts';
import {
  type Answer,
  isoSeconds,
  plainAnswer,
  type RefusalCode,
  refuse,
} from '../lib/http/http.ts';
import type { Services } from '../lib/services/services.ts';

/** `POST /api/auth/login`. */
export async function login({ accounts, nas }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { username, password } = body as LoginBody;
  return told(message, await accounts.login({ username, password, address }), nas, WRONG);
}

/** `POST /api/auth/verify-2fa`. */
export async function verifyTwoFactor(
  { accounts, nas }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { pending_token: pendingToken, code } = body as VerifyTwoFactorBody;
  return told(message, await accounts.verifyTwoFactor({ pendingToken, code, address }), nas, WRONG);
}

/** `POST /api/auth/refresh`. */
export async function refresh(
  { accounts, nas }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, address } = callOf(message);
  const { refresh_token: refreshToken } = body as RefreshBody;
  return told(message, await accounts.refresh(refreshToken, address), nas);
}

/** `GET /api/auth/me`. */
export async function me({ accounts, nas }: Services, message: ApiMessage): Promise<ApiMessage> {
  return told(message, await accounts.profile.me(callerOf(message)), nas);
}

/** `POST /api/auth/logout`. */
export async function logout(
  { accounts, nas }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  return told(message, await accounts.profile.logout(callerOf(message)), nas);
}

/** What the NAS's 401 means where somebody signs in. */
const WRONG = 'bad_credentials';

/** Puts what came of a sign-in into the message. */
function told(
  message: ApiMessage,
  outcome: SignInOutcome,
  nas: Services['nas'],
  denied: RefusalCode = 'bad_token',
): ApiMessage {
  switch (outcome.kind) {
    case 'passed': {
      const { status, body } = outcome;
      const given = status < 400 ? plainAnswer(body, status) : nasRefusal(status, body, denied);
      return withAnswer(message, given);
    }
    case 'issued':
      return withAnswer(message, plainAnswer(outcome.body));
    case 'refused': {
      const { code, retryAfterSeconds, detail } = outcome;
      const details = {
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
        ...(detail === undefined ? {} : { detail }),
      };
      const { sleepState, nextWakeAt, awake } = nas.presence.state;
      const sleeping = !awake && ['nas_asleep', 'nas_never_seen', 'gateway_timeout'].includes(code);
      const sleep = sleeping ? { sleep: { sleepState, nextWakeAt } } : {};
      return withAnswer(message, refuse(code, { ...details, ...sleep }));
    }
  }
}

/** `GET /api/nas/credentials`. */
export function credentials({ credentials: stored }: Services, message: ApiMessage): ApiMessage {
  const payload: CredentialList = { credentials: stored.list().map(wireCredential) };
  return withAnswer(message, answerTo('nas-credentials', payload));
}

/** `PUT /api/nas/credentials/{username}`. */
export async function putCredential(
  { credentials: stored }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const { api_key: apiKey } = body as CredentialBody;
  const done = await stored.storeKey(params['username'] ?? '', apiKey);
  if (done.kind === 'stored')
    return withAnswer(message, answerTo('nas-credentials-put', wireCredential(done.credential)));
  const { detail } = done;
  const errors = [{ loc: ['body', 'api_key'], msg: detail }];
  return withAnswer(message, refuse('invalid', { detail, errors }));
}

/** `DELETE /api/nas/credentials/{username}`. */
export async function dropCredentials(
  { credentials: stored }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { query, params } = callOf(message);
  const { kind } = query as CredentialDropQuery;
  const found = await stored.remove(params['username'] ?? '', kind ?? null);
  return withAnswer(
    message,
    found ? answerTo('nas-credentials-drop', { message: 'Forgotten' }) : refuse('not_found'),
  );
}

/** Never its secret. */
function wireCredential(view: CredentialView): Credential {
  return {
    username: view.username,
    kind: view.kind,
    state: view.state,
    last_used: view.lastUsedMs === null ? null : isoSeconds(view.lastUsedMs),
    expires_at: view.expiresAtMs === null ? null : isoSeconds(view.expiresAtMs),
    created_at: isoSeconds(view.createdAtMs),
    detail: view.detail,
  };
}

/** `POST /api/mobile/register`. */
export function register(services: Services, message: ApiMessage): Promise<ApiMessage> {
  return asked(services, message, (body, address) =>
    services.accounts.pairing.register(body, address),
  );
}

/** `POST /api/desktop-pairing/device-code`. */
export function deviceCode(services: Services, message: ApiMessage): Promise<ApiMessage> {
  return asked(services, message, (body, address) =>
    services.accounts.pairing.deviceCode(body, address),
  );
}

/** `POST /api/desktop-pairing/poll`. */
export function poll(services: Services, message: ApiMessage): Promise<ApiMessage> {
  return asked(services, message, (body, address) => services.accounts.pairing.poll(body, address));
}

/** `GET /api/auth/desktops`. */
export function desktops({ accounts }: Services, message: ApiMessage): ApiMessage {
  const rows = accounts.pairedDesktops(callerOf(message));
  const payload: PairedDesktopList = {
    desktops: rows.map(({ deviceId, deviceName, userId, pairedAtMs, endsAtMs }) => ({
      device_id: deviceId,
      device_name: deviceName,
      username: accounts.users.userOf(userId)?.username ?? null,
      paired_at: isoSeconds(pairedAtMs),
      valid_until: isoSeconds(endsAtMs),
    })),
  };
  return withAnswer(message, answerTo('auth-desktops', payload));
}

/** `DELETE /api/auth/desktops/{device_id}`. */
export function endDesktop({ accounts }: Services, message: ApiMessage): ApiMessage {
  const { device_id: deviceId = '' } = callOf(message).params;
  const found = accounts.endPairedDesktop(callerOf(message), deviceId);
  return withAnswer(
    message,
    found ? answerTo('auth-desktops-end', { message: 'Ended' }) : refuse('not_found'),
  );
}

/** The NAS decides what it accepts; only valid JSON is checked here. */
async function asked(
  { nas }: Services,
  message: ApiMessage,
  ask: (body: unknown, address: string) => Promise<SignInOutcome>,
): Promise<ApiMessage> {
  const { body: bytes, address } = callOf(message);
  if (!(bytes instanceof Uint8Array)) throw new Error('The guard handed no bytes on.');
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    return withAnswer(message, refuse('malformed', { detail: 'The body is no JSON.' }));
  }
  return told(message, await ask(body, address), nas, 'bad_credentials');
}

const MB = 1024 * 1024;
/** The NAS waits a second for the whole answer (contract 6). */
const NAME_WITHIN_MS = 700;

/** `POST /api/handshake/nas-going-offline`: asleep from this moment on. */
export async function goodbye(services: Services, message: ApiMessage): Promise<ApiMessage> {
  const { handshake, nas, dns } = services;
  const no = refusalOf(handshake.goodbye(claimed(message, 'handshake-goodbye')));
  if (no !== null) return withAnswer(message, no);
  nas.goodbye();
  const dns_switched = await dns.isSwitched(NAME_WITHIN_MS);
  const payload: GoodbyeAnswer = { acknowledged: true, dns_switched };
  return withAnswer(message, answerTo('handshake-goodbye', payload));
}

/**
 * `POST /api/handshake/nas-coming-online`. The NAS serves only after this answer, so nothing is
 * awaited; the delivery begins by itself when the NAS answers.
 */
export function hello({ handshake, nas, upload }: Services, message: ApiMessage): ApiMessage {
  const no = refusalOf(handshake.hello(claimed(message, 'handshake-hello')));
  if (no !== null) return withAnswer(message, no);
  nas.hello();
  const payload: HelloAnswer = {
    acknowledged: true,
    inbox_flushed: upload.totals.inbox().files === 0,
    files_transferred: 0,
  };
  return withAnswer(message, answerTo('handshake-hello', payload));
}

/** `GET /api/handshake/status`: from memory and the queue, over all users. */
export function handshakeStatus(services: Services, message: ApiMessage): ApiMessage {
  const { awake, sinceMs } = services.nas.presence.state;
  const snapshotAtMs = services.handshake.snapshotAtMs();
  const { files, bytes } = services.upload.totals.inbox();
  const payload: HandshakeStatus = {
    nas_state: awake ? 'online' : 'offline',
    since: isoSeconds(sinceMs),
    last_snapshot: snapshotAtMs === null ? null : isoSeconds(snapshotAtMs),
    inbox_size_mb: Math.round((bytes / MB) * 100) / 100,
    inbox_files: files,
  };
  return withAnswer(message, answerTo('handshake-status', payload));
}

/** `GET /api/handshake/snapshot`: byte for byte, as large numbers would not survive parsing. */
export function handshakeSnapshot({ handshake }: Services, message: ApiMessage): ApiMessage {
  const snapshot = handshake.snapshot();
  if (snapshot === null) {
    return withAnswer(message, refuse('not_found', { detail: 'No snapshot available' }));
  }
  const headers = { 'Content-Type': 'application/json; charset=utf-8' };
  return withAnswer(message, plainAnswer(snapshot.text, 200, headers));
}

function claimed(message: ApiMessage, id: EndpointId): ClaimedCall {
  const { headers } = requestOf(message);
  const { body, address } = callOf(message);
  const { method, path } = endpointById(id);
  if (!(body instanceof Uint8Array)) throw new Error('The guard handed no bytes on.');
  return {
    method,
    path,
    body,
    address,
    timestamp: one(headers['x-balupi-timestamp']),
    signature: one(headers['x-balupi-signature']),
  };
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

function refusalOf(result: HandshakeResult): Answer | null {
  switch (result.kind) {
    case 'accepted':
      return null;
    case 'malformed':
      return refuse('malformed', { detail: 'The body is no JSON object.' });
    case 'switched_off':
      return refuse('handshake_off');
    case 'clock_unsynced':
      return refuse('clock_unsynced');
    case 'too_many_tries':
      return refuse('too_many_tries', { retryAfterSeconds: result.waitMs / 1_000 });
    case 'refused':
      return refuse('bad_signature', { detail: result.reason });
  }
}

/** `GET /api/people`: an admin's everybody, anybody else's themselves. */
export function people(services: Services, message: ApiMessage): ApiMessage {
  const { accounts, credentials } = services;
  const caller = callerOf(message);
  const isAdmin = accounts.isAdmin(caller);
  const users = isAdmin ? accounts.users.everybody() : [caller.user];
  const signIns = accounts.signIns.list(isAdmin ? null : caller.user.id);
  const stored = credentials.list();
  const payload: People = {
    users: users.map((user) => ({
      ...whoIs(services, user),
      credentials: stored.filter(({ username }) => username === user.username).map(wireCredential),
      sign_ins: signIns
        .filter(({ userId }) => userId === user.id)
        .map(({ id, kind, name, sinceMs, endsAtMs }) => ({
          ...{ id, kind, name },
          since: isoSeconds(sinceMs),
          ends_at: endsAtMs === null ? null : isoSeconds(endsAtMs),
        })),
    })),
  };
  return withAnswer(message, answerTo('people', payload));
}

/** `DELETE /api/people/sign-ins/{id}`. */
export function endSignIn({ accounts }: Services, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const whose = accounts.isAdmin(caller) ? null : caller.user.id;
  const isDone = accounts.signIns.end(callOf(message).params['id'] ?? '', whose);
  return withAnswer(
    message,
    isDone ? answerTo('people-sign-in-end', { message: 'Ended' }) : refuse('not_found'),
  );
}

function whoIs({ accounts }: Services, user: User) {
  const { username, role } = user;
  const mayWake = accounts.mayWake({ user, kind: 'pi', nasToken: null, scope: 'all' });
  return {
    ...{ username, role },
    may_wake: mayWake,
    answered_at: isoSeconds(accounts.users.answeredAtMs(user.id)),
  };
}

/** `GET /api/nas/status`: from memory, never waits for the NAS. */
export function status(services: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, answerTo('nas-status', statusNow(services)));
}

function statusNow({ nas, files }: Services): NasStatus {
  const known = nas.status();
  return {
    online: known.online,
    version: known.version,
    url: known.url,
    nas_state: known.powerState,
    sleep_state: known.sleepState,
    reachable_by: known.reachableBy,
    power_w: known.powerW,
    since: isoSeconds(known.sinceMs),
    last_seen: known.lastSeenMs === null ? null : isoSeconds(known.lastSeenMs),
    ...(known.fault === null ? {} : { nas_mismatch: true }),
    ...(files.storage.isMissing ? { nas_storage_missing: true } : {}),
    wake: {
      state: known.wake.state,
      started_at: known.wake.startedAtMs === null ? null : isoSeconds(known.wake.startedAtMs),
      attempts: known.wake.attempts,
    },
  };
}

/** Probes the NAS when due, and reports at one of three outputs whether it is awake. */
export async function probe(services: Services, message: ApiMessage): Promise<unknown> {
  const { nas, schedule } = services;
  if (!schedule.probe.due()) return null;
  if ((await nas.probe()) === 'skipped') return null;
  message.payload = statusNow(services);
  const { awake, reachable } = nas.presence.state;
  if (awake) return [message, null, null];
  return reachable ? [null, message, null] : [null, null, message];
}
