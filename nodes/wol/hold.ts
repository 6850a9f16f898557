import type { WakeCause } from '../lib/nas/nas.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

export type Held =
  { readonly kind: 'awake' } | { readonly kind: 'asleep'; readonly retryAfterSeconds: number };

/** What a refused reader is told to wait when a wake runs: it may be done by then. */
const WAKING_RETRY_SECONDS = 15;
/** … and when nothing is going to wake the NAS. */
const ASLEEP_RETRY_SECONDS = 300;

/**
 * Wakes the NAS for a reader of a file that is not kept, once for all who wait, and holds the
 * reader while it boots (contract 3: wake on miss).
 */
export async function holdForWake(
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
