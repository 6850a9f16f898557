import type { Node, NodeAPI, NodeDef } from 'node-red';
import type {
  NoticeChoicesBody,
  NoticeDeviceAnswer,
  NoticeDeviceBody,
  NoticeList,
  NoticeTestBody,
} from '../lib/api/api.ts';
import type { Audience } from '../lib/events/events.ts';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { type Answer, answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { TestOutcome } from '../lib/notices/notices.ts';
import { FieldReader, type Given, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { WORDS } from '../lib/words/words.ts';
import { DECLARATION } from './operations.ts';

interface NoticesConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
  /** Whom it acts for where a message carries no request. */
  readonly as?: string;
}

const LONGEST_TITLE = 80;

function show({ notices }: Rooms, message: ApiMessage): ApiMessage {
  const view = notices.view(callerOf(message).user);
  const payload: NoticeList = {
    public_key: view.publicKey,
    kinds: view.kinds.map(({ kind, isWanted }) => ({ kind, is_wanted: isWanted })),
    quiet_from: view.quietFrom,
    quiet_to: view.quietTo,
    devices: view.devices.map(({ id, name, language, createdAtMs, sentAtMs, problem }) => ({
      ...{ id, name, language, problem },
      created_at: isoSeconds(createdAtMs),
      sent_at: sentAtMs === null ? null : isoSeconds(sentAtMs),
    })),
  };
  return withAnswer(message, answer(payload));
}

function choose({ notices }: Rooms, message: ApiMessage): ApiMessage {
  const body = callOf(message).body as NoticeChoicesBody;
  const { wanted, quiet_from: quietFrom, quiet_to: quietTo } = body;
  notices.choose(callerOf(message).user, { wanted, quietFrom, quietTo });
  return withAnswer(message, answer({ message: 'Chosen' }));
}

function add({ notices }: Rooms, message: ApiMessage): ApiMessage {
  const { language, body } = callOf(message);
  const { name, endpoint, p256dh, auth } = body as NoticeDeviceBody;
  const { user, device: signIn = null } = callerOf(message);
  const target = { endpoint, p256dh, auth };
  const outcome = notices.add(user, {
    ...{ target, name, signIn },
    language: WORDS.languageOf(language, undefined),
  });
  if (outcome.kind === 'not_allowed') return withAnswer(message, refuse('not_allowed'));
  if (outcome.kind === 'invalid') {
    const errors = [{ loc: ['body'], msg: outcome.why }];
    return withAnswer(message, refuse('invalid', { detail: outcome.why, errors }));
  }
  const payload: NoticeDeviceAnswer = { id: outcome.id };
  return withAnswer(message, answer(payload));
}

function remove({ notices }: Rooms, message: ApiMessage): ApiMessage {
  const { id = '' } = callOf(message).params;
  const had = notices.remove(callerOf(message).user, id);
  return withAnswer(message, had ? answer({ message: 'Removed' }) : refuse('not_found'));
}

async function test({ notices }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { device_id: deviceId = null } = callOf(message).body as NoticeTestBody;
  const outcome = await notices.test(callerOf(message).user, deviceId);
  return withAnswer(message, tested(outcome));
}

function tested(outcome: TestOutcome): Answer {
  if (outcome.kind === 'no_device') return refuse('not_found');
  if (outcome.kind === 'too_soon') {
    return refuse('too_many_tries', { retryAfterSeconds: outcome.retryAfterSeconds });
  }
  return outcome.sent === 0 ? refuse('push_failed') : answer({ message: 'Sent' });
}

/** What a flow says: to everybody, or to whom the message is for (`audience`, `username`). */
function tell({ notices }: Rooms, message: ApiMessage, given: Given): ApiMessage {
  const { payload, topic, audience = 'everybody', username } = given;
  const text = typeof payload === 'string' ? payload.trim() : '';
  if (text === '') throw new Error('A message needs words: msg.payload was none.');
  const title = typeof topic === 'string' && topic.trim() !== '' ? topic.trim() : 'BaluPi';
  notices.say(audienceOf(audience, username), { title: title.slice(0, LONGEST_TITLE), text });
  return message;
}

/** @throws Error for what is none: a slip must not tell everybody */
function audienceOf(audience: unknown, username: unknown): Audience {
  if (audience === 'everybody' || audience === 'admins') return { audience };
  if (audience === 'user' && typeof username === 'string') return { audience, username };
  throw new Error('msg.audience is everybody, admins, or user with msg.username.');
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  tell,
  show,
  choose,
  'device-add': add,
  'device-remove': remove,
  test,
});

/** Node `balupi-notices`. */
export default function register(RED: NodeAPI): void {
  function NoticesNode(this: Node, config: NoticesConfig): void {
    RED.nodes.createNode(this, config);
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    new NodeGuard(this).onInput((message) =>
      actOf(
        ACTS,
        config.op,
        config.as,
        fields,
      )(roomsBehind(RED.nodes.getNode(config.store)), message),
    );
  }
  RED.nodes.registerType('balupi-notices', NoticesNode);
}
