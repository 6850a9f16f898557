import type { Caller } from '../accounts/caller.ts';
import type { Files } from '../files/files.ts';
import { type Answer, answer, refuse } from '../http/http.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from '../pass/pass-hook.ts';
import { type QueuedWish, refusedAnswer, type Upload } from '../upload/upload.ts';
import { mayWait, type ReadQueuedWish, readQueuedWish } from './queued-wish.ts';

export interface ChangesAsleepDeps {
  readonly upload: () => Pick<Upload, 'acceptChange' | 'isChangeInLine'>;
  readonly files: () => Pick<Files, 'pathOfId'>;
  readonly presence: Pick<NasPresence, 'state'>;
}

/** What the NAS says to each (docs/NAS.md). */
const SAYS: Readonly<Record<QueuedWish['kind'], string>> = {
  delete: 'Deleted',
  rename: 'Renamed',
  move: 'Moved',
  mkdir: 'Folder created',
};

/**
 * Deletes, renames, moves and new folders while the NAS sleeps: they are queued, and answered as the
 * NAS does. Awake too, where something of the same user is still to happen at their places: passed
 * on, they would overtake it.
 */
export class ChangesAsleep implements PassHook {
  readonly #deps: ChangesAsleepDeps;

  constructor(deps: ChangesAsleepDeps) {
    this.#deps = deps;
  }

  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
    return mayWait(address);
  }

  async before(request: PassRequest): Promise<PassBefore> {
    const { upload, files, presence } = this.#deps;
    const { caller } = request;
    const read = readQueuedWish(request, (id) => files().pathOfId(caller.user, id));
    if (read.kind !== 'wish') {
      // Awake the NAS says what is wrong with it.
      const isOver = read.kind === 'none' || presence.state.awake;
      return isOver ? { kind: 'go' } : { kind: 'answer', answer: faultAnswer(read) };
    }
    const { wish } = read;
    if (!presence.state.awake || upload().isChangeInLine(caller, wish)) {
      const given = await this.#take(caller, wish);
      return given === undefined ? { kind: 'go' } : { kind: 'answer', answer: given };
    }
    return { kind: 'go', after: (result) => this.#after(caller, wish, result) };
  }

  /** The NAS fell asleep before it was asked. */
  async #after(caller: Caller, wish: QueuedWish, result: PassResult): Promise<Answer | undefined> {
    const fellAsleep = result.kind === 'not_sent' && !this.#deps.presence.state.awake;
    return fellAsleep ? await this.#take(caller, wish) : undefined;
  }

  /** @returns undefined for what cannot be decided without the NAS */
  async #take(caller: Caller, wish: QueuedWish): Promise<Answer | undefined> {
    const taken = await this.#deps.upload().acceptChange(caller, wish);
    if (taken.kind === 'asleep') return undefined;
    if (taken.kind === 'refused') return refusedAnswer(taken);
    return answer({ message: SAYS[wish.kind] }, 200, { 'X-Balupi-Cache': 'queued' });
  }
}

/** What a sleeping NAS need not be waited for to know. */
function faultAnswer(read: Exclude<ReadQueuedWish, { readonly kind: 'wish' | 'none' }>): Answer {
  const { kind, reason: detail } = read;
  if (kind !== 'invalid') return refuse(kind, { detail });
  return refuse(kind, { detail, errors: [{ loc: ['body', read.field], msg: detail }] });
}
