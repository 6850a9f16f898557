import type { IncomingMessage } from 'node:http';
import type { AuthResult, Caller } from '../nodes/lib/accounts/caller.ts';
import type { ChunkQuery } from '../nodes/lib/api/api.ts';
import { asleepAnswer, troubleAnswer, wordlessRefusal } from '../nodes/lib/guard/guard.ts';
import { type Answer, answerNow, refuse } from '../nodes/lib/http/http.ts';
import type { Services } from '../nodes/lib/services/services.ts';
import { refusedAnswer } from '../nodes/lib/upload/upload.ts';
import type { AskedUpload, AuthHooks } from './api-guard.ts';
import type { PageAccounts } from './dashboard-sign-in.ts';
import type { SocketAccounts } from './dashboard-sockets.ts';
import type { EditorSignIn } from './editor.ts';
import type { ThumbnailHook } from './files-page.ts';
import type { WebHooks } from './front-page.ts';
import type { LiveHooks } from './live-auth.ts';

/** The guard's questions, answered by the services. */
export function authHooks(services: Services): AuthHooks {
  return {
    authenticate: services.accounts.authenticator.before((request, response, why) => {
      answerNow(request, response, turnedAway(services, why));
    }),
    mayWake: (caller) => services.accounts.mayWake(caller),
    isShortOfMemory: () => services.system.memory.isOver(),
    followsSync: (caller) => services.files.followsSync(caller),
    admitUpload: (request, caller, asked) => admitUpload(services, request, caller, asked),
  };
}

function turnedAway({ nas }: Services, why: Exclude<AuthResult, { kind: 'caller' }>): Answer {
  if (why.kind === 'cannot_ask') return asleepAnswer(nas.presence.state);
  const given = refuse(why.code);
  return { ...given, headers: { ...given.headers, 'WWW-Authenticate': 'Bearer' } };
}

async function admitUpload(
  { upload }: Services,
  request: IncomingMessage,
  caller: Caller,
  { endpointId, params, query }: AskedUpload,
): Promise<Answer | null> {
  if (endpointId === 'files-chunked-chunk') {
    const { chunk_index: index } = query as ChunkQuery;
    const id = params['upload_id'] ?? '';
    const refusal = await upload.resumable.admitChunk(caller, request, id, index);
    return refusal === null ? null : refusedAnswer(refusal);
  }
  const { path } = query as { readonly path?: string };
  const admitted = await upload.admission.check({
    caller,
    headers: request.headers,
    path: path ?? null,
  });
  return admitted.kind === 'admitted' ? null : refusedAnswer(admitted);
}

/** The Dashboard's sign-in, answered by the accounts and, for a wake, by the `nas` module. */
export function pageAccounts({ accounts, nas, notices }: Services): PageAccounts & SocketAccounts {
  return {
    signIn: (given) => accounts.pageSignIn.password(given),
    secondFactor: (given) => accounts.pageSignIn.secondFactor(given),
    open: (user) => accounts.pages.open(user),
    close: (cookie) => {
      accounts.pages.close(cookie);
      notices.signedOut(accounts.pages.deviceOf(cookie));
    },
    wake: () => {
      const { kind } = nas.wake.wake({ kind: 'door', by: null });
      return kind === 'no_mac' || kind === 'already_awake' ? kind : null;
    },
    find: (cookie) => accounts.pages.find(cookie),
    look: (cookie) => accounts.pages.look(cookie),
    deviceOf: (cookie) => accounts.pages.deviceOf(cookie),
    onLogout: (listener) => accounts.onLogout(listener),
  };
}

/** Thumbnails of cached files, for callers who may read them. */
export function thumbnailHook({ files, cache, thumbnails, nas }: Services): ThumbnailHook {
  return async (caller, path) => {
    // A thumbnail must neither wake the NAS nor keep it awake.
    const found = await files.locate(caller, path, { auto: true });
    if (found.kind === 'queued') return refuse('no_thumbnail');
    if (found.kind !== 'located') return troubleAnswer(found, nas.presence.state);
    const copy = cache.kept.entryOf(found.file);
    if (copy === null) return refuse('no_thumbnail');
    const { name } = found.file;
    return {
      version: copy.blob,
      make: (width, signal) => thumbnails.of(copy, name, width, signal),
    };
  };
}

/** The websocket of the NAS's notifications. */
export function liveHooks({ live, nas }: Services): LiveHooks {
  return {
    open: async (token, headers, address) => {
      const outcome = await live.open(token, headers, address);
      switch (outcome.kind) {
        case 'open':
          return outcome;
        case 'no_token':
          return refuse('no_token', { detail: 'Ask for a token at /api/notifications/ws-token.' });
        case 'too_many_tries':
          return refuse('too_many_tries', outcome);
        case 'refused':
          return wordlessRefusal(outcome.status);
        case 'asleep':
        case 'nas_bad_answer':
          return troubleAnswer(outcome, nas.presence.state);
      }
    },
    join: (client, upstream, first) => {
      live.join(client, upstream, first);
    },
  };
}

/** The NAS's web pages, for browsers that came by its name. */
export function webHooks({ web, nas }: Services): WebHooks {
  return {
    page: async (asked) => {
      const outcome = await web.page(asked);
      if (outcome.kind === 'page') return outcome;
      if (outcome.kind === 'too_many_tries') return refuse('too_many_tries', outcome);
      return troubleAnswer(outcome, nas.presence.state);
    },
  };
}

/** The editor's sign-in, answered by the accounts. */
export function editorSignIn({ accounts, nas }: Services): EditorSignIn {
  return {
    editorSignIn: async (username, password, address) => {
      const outcome = await accounts.editor.signIn({ username, password, address });
      if (outcome.kind === 'person') return null;
      const asleep = outcome.code === 'nas_asleep' || outcome.code === 'nas_never_seen';
      return refuse(outcome.code, asleep ? { ...outcome, sleep: nas.presence.state } : outcome);
    },
    editorUser: async (username) => (await accounts.editor.user(username)) !== null,
  };
}
