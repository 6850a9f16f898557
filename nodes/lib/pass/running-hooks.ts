import type { Answer } from '../http/http.ts';
import type { Log } from '../log/log.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from './pass-hook.ts';

type Go = Extract<PassBefore, { kind: 'go' }>;

/** The hooks of one request on its way: asked in their order, told in the reverse one. */
export class RunningHooks {
  readonly #log: Log;
  #going: Go[] = [];
  #result: PassResult = { kind: 'not_sent' };

  constructor(log: Log) {
    this.#log = log;
  }

  /** @returns the first answer one of them gives in the NAS's place, or null */
  async before(hooks: readonly PassHook[], request: PassRequest): Promise<Answer | null> {
    for (const hook of hooks) {
      const before = await hook.before(request);
      if (before.kind === 'answer') return before.answer;
      this.#going.push(before);
    }
    return null;
  }

  get isAuto(): boolean {
    return this.#going.some(({ auto }) => auto === true);
  }

  get readsAnswer(): boolean {
    return this.#going.some(({ readsAnswer }) => readsAnswer === true);
  }

  /** What goes in the place of the body; undefined for what was sent. */
  get body(): unknown {
    return this.#going.findLast(({ body }) => body !== undefined)?.body;
  }

  /** How it stands, should it be told now. */
  ended(result: PassResult): void {
    this.#result = result;
  }

  /** Tells each of them once. @returns what goes out in the NAS's place, or null */
  async tell(): Promise<Answer | null> {
    const going = this.#going.reverse();
    this.#going = [];
    let instead: Answer | null = null;
    for (const { after } of going) {
      try {
        instead = (await after?.(this.#result)) ?? instead;
      } catch (error) {
        // The NAS has done it by now, and its answer is the caller's all the same.
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#log.error(`What follows a passed request failed: ${reason}`);
      }
    }
    return instead;
  }
}
