import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  answerTo,
  type NoticeChoicesBody,
  type NoticeDeviceAnswer,
  type NoticeDeviceBody,
  type NoticeList,
  type NoticeTestBody,
} from '../lib/api/api.ts';
import type { Audience } from '../lib/events/events.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  type Declared,
  NodeGuard,
  operationOf,
  operationsOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { type Answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { TestOutcome } from '../lib/notices/notices.ts';
import { FieldReader, type Given, type StoredNode } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import { WORDS } from '../lib/words/words.ts';

interface NoticesConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
  /** Whom it acts for where a message carries no request. */
  readonly as?: string;
}

const LONGEST_TITLE = 80;

function show({ notices }: Services, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answerTo('notices', payload));
}

function choose({ notices }: Services, message: ApiMessage): ApiMessage {
  const body = callOf(message).body as NoticeChoicesBody;
  const { wanted, quiet_from: quietFrom, quiet_to: quietTo } = body;
  notices.choose(callerOf(message).user, { wanted, quietFrom, quietTo });
  return withAnswer(message, answerTo('notices-choose', { message: 'Chosen' }));
}

function add({ notices }: Services, message: ApiMessage): ApiMessage {
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
  return withAnswer(message, answerTo('notices-device-add', payload));
}

function remove({ notices }: Services, message: ApiMessage): ApiMessage {
  const { id = '' } = callOf(message).params;
  const had = notices.remove(callerOf(message).user, id);
  return withAnswer(
    message,
    had ? answerTo('notices-device-remove', { message: 'Removed' }) : refuse('not_found'),
  );
}

async function test({ notices }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { device_id: deviceId = null } = callOf(message).body as NoticeTestBody;
  const outcome = await notices.test(callerOf(message).user, deviceId);
  return withAnswer(message, tested(outcome));
}

function tested(outcome: TestOutcome): Answer {
  if (outcome.kind === 'no_device') return refuse('not_found');
  if (outcome.kind === 'too_soon') {
    return refuse('too_many_tries', { retryAfterSeconds: outcome.retryAfterSeconds });
  }
  return outcome.sent === 0 ? refuse('push_failed') : answerTo('notices-test', { message: 'Sent' });
}

/** What a flow says: to everybody, or to whom the message is for (`audience`, `username`). */
function tell({ notices }: Services, message: ApiMessage, given: Given): ApiMessage {
  const { payload, topic, audience = 'everybody', username } = given;
  const text = typeof payload === 'string' ? payload.trim() : '';
  if (text === '') throw new Error('A message needs words: msg.payload was none.');
  const title = typeof topic === 'string' && topic.trim() !== '' ? topic.trim() : 'BaluPi';
  notices.say(audienceOf(audience, username), { title: title.slice(0, LONGEST_TITLE), text });
  return message;
}

/** @throws Error for any other value: a typo must not notify everybody */
function audienceOf(audience: unknown, username: unknown): Audience {
  if (audience === 'everybody' || audience === 'admins') return { audience };
  if (audience === 'user' && typeof username === 'string') return { audience, username };
  throw new Error('msg.audience is everybody, admins, or user with msg.username.');
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'notices',
  type: 'balupi-notices',
  color: '#f2b8a0',
  config: 'store',
  title: { en: 'notices', de: 'Nachrichten' },
  about: {
    en: "Messages to people's own phones and browsers, by web push.",
    de: 'Nachrichten an die eigenen Telefone und Browser der Leute, über Web-Push.',
  },
  operations: {
    tell: {
      words: { en: 'send a message', de: 'Nachricht senden' },
      for: 'flow',
      takes: {
        payload: {
          kind: 'text',
          label: { en: 'Message', de: 'Nachricht' },
          about: { en: 'what it says', de: 'was sie sagt' },
        },
        topic: {
          kind: 'text',
          label: { en: 'Title', de: 'Titel' },
          about: { en: 'its title; `BaluPi` without one', de: 'ihr Titel; ohne einen `BaluPi`' },
        },
        audience: {
          kind: 'text',
          label: { en: 'To', de: 'An' },
          about: {
            en: 'to whom: `everybody` (as without it), `admins`, or one `user`',
            de: 'an wen: `everybody` (wie ohne Angabe), `admins` oder ein einzelner `user`',
          },
        },
        username: {
          kind: 'text',
          label: { en: 'User', de: 'Benutzer' },
          about: {
            en: 'whom, where it goes to one `user`',
            de: 'wen, wenn sie an einen `user` geht',
          },
        },
      },
      run: tell,
    },
    show: {
      words: { en: 'choices and browsers', de: 'Auswahl und Browser' },
      for: 'balupi',
      serves: ['notices'],
      run: show,
    },
    choose: {
      words: { en: 'choose what to be notified of', de: 'wählen, was gemeldet wird' },
      for: 'balupi',
      serves: ['notices-choose'],
      fieldWords: {
        wanted: {
          label: { en: 'Wanted', de: 'Gewünscht' },
          about: { en: 'a list of kinds of events', de: 'eine Liste von Arten der Ereignisse' },
        },
        quiet_from: {
          label: { en: 'Quiet from', de: 'Ruhe von' },
          about: { en: 'a time of day such as `22:00`', de: 'eine Uhrzeit wie `22:00`' },
        },
        quiet_to: {
          label: { en: 'Quiet to', de: 'Ruhe bis' },
          about: { en: 'a time of day such as `07:00`', de: 'eine Uhrzeit wie `07:00`' },
        },
      },
      run: choose,
    },
    'device-add': {
      words: { en: 'add a browser', de: 'Browser hinzufügen' },
      for: 'balupi',
      serves: ['notices-device-add'],
      // What a browser hands out, for its own page alone.
      leaves: ['name', 'endpoint', 'p256dh', 'auth'],
      run: add,
    },
    'device-remove': {
      words: { en: 'remove a browser', de: 'Browser entfernen' },
      for: 'balupi',
      serves: ['notices-device-remove'],
      run: remove,
    },
    test: {
      words: { en: 'send a test', de: 'Probe senden' },
      for: 'balupi',
      serves: ['notices-test'],
      leaves: ['device_id'],
      run: test,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, string',
      en: 'the outcome, as the API gives it; after {{tell}} the message itself',
      de: 'das Ergebnis, wie die API es gibt; nach {{tell}} die Nachricht selbst',
    },
  ],
  details: {
    en: `{{tell}} goes to the browsers of those who added one on the page Notifications and want to hear of flows. A message of *events* has its audience along, so it reaches nobody else. Of one title there is one message a minute; what comes meanwhile is counted.

{{show}}, {{choose}}, {{device-add}}, {{device-remove}} and {{test}} are for whoever asks, by the API or on their page, about their own alone.`,
    de: `{{tell}} geht an die Browser aller, die auf der Seite Nachrichten einen hinzugefügt haben und von Flows hören wollen. Eine Nachricht von *Ereignisse* bringt mit, wer sie wissen darf, und erreicht darum niemand anderen. Von einem Titel gibt es eine Nachricht je Minute; was inzwischen kommt, wird gezählt.

{{show}}, {{choose}}, {{device-add}}, {{device-remove}} und {{test}} sind für den, der fragt, über die API oder auf seiner Seite, und betreffen nur die eigenen.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

/** Node `balupi-notices`. */
export default function register(RED: NodeAPI): void {
  function NoticesNode(this: Node, config: NoticesConfig): void {
    RED.nodes.createNode(this, config);
    const fields = new FieldReader(RED, this, DECLARATION, config);
    new NodeGuard(this).onInput((message) =>
      operationOf(
        OPERATIONS,
        config.op,
        config.as,
        fields,
      )(servicesBehind(RED.nodes.getNode(config.store)), message),
    );
  }
  RED.nodes.registerType('balupi-notices', NoticesNode);
}
