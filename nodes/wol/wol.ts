import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import type { WakeEnd } from '../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { actOf, type Acts, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer } from '../lib/guard/fault-answers.ts';
import { NodeGuard, type NodeStatus } from '../lib/guard/guarded.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { WakeCause } from '../lib/nas/nas.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { DECLARATION } from './operations.ts';

interface WolConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly nas: string;
}

/** Who sent it; what carries no request comes from a flow. */
function senderOf({ req }: ApiMessage): WakeCause['by'] {
  return req?.call?.caller?.user ?? null;
}

type Began = ReturnType<Rooms['nas']['wake']['wake']>;

/** Told how a wake that somebody asked for began. */
type Follow = (outcome: Began, rooms: Rooms) => void;

/** Answers at once; how it ends follows, and is in `GET /api/nas/status`. */
function wake(rooms: Rooms, message: ApiMessage, follow: Follow): ApiMessage {
  const { nas, bootTimeoutSeconds } = rooms;
  const before = nas.status();
  const outcome = nas.wake.wake({ kind: 'call', by: senderOf(message) });
  follow(outcome, rooms);
  if (outcome.kind === 'no_mac') return withAnswer(message, refuse('no_mac'));
  if (outcome.kind === 'already_awake') return withAnswer(message, refuse('already_awake'));
  const payload = {
    success: true,
    mac_address: nas.macAddress ?? '',
    wol_sent: outcome.packetSent,
    nas_previous_state: before.sleepState,
    estimated_boot_time_s: bootTimeoutSeconds,
  };
  return withAnswer(message, answer(payload));
}

/** The same, in the words of the NAS's own `POST /api/system/sleep/wake`. */
function wakeForApp(rooms: Rooms, message: ApiMessage, follow: Follow): ApiMessage {
  const outcome = rooms.nas.wake.wake({ kind: 'call', by: senderOf(message) });
  follow(outcome, rooms);
  if (outcome.kind === 'no_mac') return withAnswer(message, refuse('no_mac'));
  if (outcome.kind === 'already_awake') {
    return withAnswer(
      message,
      refuse('already_awake', { detail: 'Cannot wake from current state' }),
    );
  }
  const told = outcome.kind === 'joined' ? 'The NAS is waking already.' : 'The NAS is being woken.';
  return withAnswer(message, answer({ success: true, message: told }));
}

async function hold(rooms: Rooms, message: ApiMessage): Promise<unknown> {
  const call = callOf(message);
  const held = await holdForWake(rooms, {
    by: senderOf(message),
    auto: call.auto,
    signal: call.signal,
  });
  if (held.kind === 'awake') return [message, null];
  const given = asleepAnswer(rooms.nas.presence.state, held.retryAfterSeconds);
  return [null, withAnswer(message, given)];
}

/** A flow that asks for it needs the NAS: the message goes on as it came, at 1 once it is awake. */
async function wakeAndWait(rooms: Rooms, message: ApiMessage): Promise<unknown> {
  const held = await holdForWake(rooms, {
    ...{ by: senderOf(message), auto: false },
    signal: callOf(message).signal,
  });
  return held.kind === 'awake' ? [message, null] : [null, message];
}

function actsWith(follow: Follow): Acts<Rooms> {
  return actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
    wake: (rooms, message) => [wake(rooms, message, follow), null, null],
    'wake-app': (rooms, message) => [wakeForApp(rooms, message, follow), null, null],
    hold: { run: hold, forFlows: { run: wakeAndWait, owner: 'pi' } },
  });
}

/** How a wake ended, at the second or the third output: nobody's request, so it answers nobody. */
function ending({ nas }: Rooms, ended: WakeEnd): readonly (object | null)[] {
  const { attempts, startedAtMs } = nas.wake.status;
  const startedAt = startedAtMs === null ? null : isoSeconds(startedAtMs);
  const message = {
    topic: 'wake',
    payload: { state: ended, attempts, started_at: startedAt },
  };
  return ended === 'awake' ? [null, message, null] : [null, null, message];
}

/** How the NAS is by now, whatever came of the last wake. */
function statusOf({ nas }: Rooms): NodeStatus {
  if (nas.presence.state.awake) return { fill: 'green', shape: 'dot', words: 'wol.status.awake' };
  const { state } = nas.wake.status;
  if (state === 'waking') return { fill: 'blue', shape: 'dot', words: 'wol.status.waking' };
  if (state === 'failed') return { fill: 'yellow', shape: 'dot', words: 'wol.status.failed' };
  return { fill: 'grey', shape: 'ring', words: 'wol.status.asleep' };
}

/** Node `balupi-wol`. */
export default function register(RED: NodeAPI): void {
  function Wol(this: Node, config: WolConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.nas));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => statusOf(rooms()));
    let isClosed = false;
    this.on('close', () => {
      isClosed = true;
    });
    const tell = guard.callback((rooms: Rooms, ended: WakeEnd) => {
      if (!isClosed) this.send(ending(rooms, ended) as NodeMessage[]);
    });
    const acts = actsWith((outcome, given) => {
      if ('done' in outcome)
        void outcome.done.then((ended) => {
          tell(given, ended);
        });
    });
    guard.onInput((message) => actOf(acts, config.op, '', fields)(rooms(), message));
    guard.follow((again) => {
      const { nas } = rooms();
      const stops = [nas.presence.onChange(again), nas.onNews(again)];
      return () => {
        for (const stop of stops) stop();
      };
    });
  }
  RED.nodes.registerType('balupi-wol', Wol);
}

type Held =
  { readonly kind: 'awake' } | { readonly kind: 'asleep'; readonly retryAfterSeconds: number };

/** What a refused reader is told to wait when a wake runs: it may be done by then. */
const WAKING_RETRY_SECONDS = 15;
/** … and when nothing is going to wake the NAS. */
const ASLEEP_RETRY_SECONDS = 300;

/**
 * Wakes the NAS for a reader of a file that is not kept, once for all who wait, and holds the
 * reader while it boots (contract 3: wake on miss).
 */
async function holdForWake(
  { nas, missRule, clock }: Pick<Rooms, 'nas' | 'missRule' | 'clock'>,
  caller: { readonly by: WakeCause['by']; readonly auto: boolean; readonly signal: AbortSignal },
): Promise<Held> {
  if (nas.presence.state.awake) return { kind: 'awake' };
  if (!missRule.wakeOnMiss || caller.auto) {
    return { kind: 'asleep', retryAfterSeconds: ASLEEP_RETRY_SECONDS };
  }
  const outcome = nas.wake.wakeForMiss({ kind: 'read', by: caller.by });
  if (outcome.kind === 'already_awake') return { kind: 'awake' };
  if (outcome.kind === 'no_mac') {
    return { kind: 'asleep', retryAfterSeconds: ASLEEP_RETRY_SECONDS };
  }
  if (outcome.kind === 'held_back') {
    return { kind: 'asleep', retryAfterSeconds: Math.ceil(outcome.retryAfterMs / 1_000) };
  }
  const over = new AbortController();
  const gone = AbortSignal.any([over.signal, caller.signal]);
  const tooLong = clock.sleep(missRule.holdMs, gone).then(
    () => 'held' as const,
    () => 'gone' as const,
  );
  const ended = await Promise.race([outcome.done, tooLong]);
  over.abort();
  if (ended === 'awake') return { kind: 'awake' };
  return { kind: 'asleep', retryAfterSeconds: WAKING_RETRY_SECONDS };
}
