import type { PassBefore, PassHook, PassRequest, PassResult } from '../pass/pass-hook.ts';

export interface NasSleepsDeps {
  /** The NAS rests its disks from now on, and answers still. */
  readonly softly: () => void;
  /** It goes, and may answer for some seconds more. */
  readonly suspended: () => void;
}

/** A caller sends the NAS to sleep through the Pi: it counts as asleep from its own answer on. */
export class NasSleeps implements PassHook {
  readonly #deps: NasSleepsDeps;

  constructor(deps: NasSleepsDeps) {
    this.#deps = deps;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return method === 'POST' && /^system\/sleep\/(?:soft|suspend)$/.test(segments.join('/'));
  }

  before({ segments }: PassRequest): PassBefore {
    const isSoft = segments.at(-1) === 'soft';
    const after = (result: PassResult): undefined => {
      const isDone = result.kind === 'answered' && result.status < 300;
      if (isDone && isSoft) this.#deps.softly();
      // It may be gone before its answer is out.
      if (!isSoft && (isDone || result.kind === 'no_answer')) this.#deps.suspended();
    };
    return { kind: 'go', after };
  }
}
