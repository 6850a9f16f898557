import type { Store } from './store.ts';

/**
 * Answers of a query, each good until anything is written to its database: then all are forgotten.
 * So they are never older than the tables, without anybody having to know what a change touches. A
 * flow of downloads asks the same few things over and over, and each answer costs more than the
 * rest of a small file does.
 */
export class Remembered<K extends string | number, V extends NonNullable<unknown> | null> {
  readonly #store: Store;
  readonly #most: number;
  readonly #answers = new Map<K, V>();
  #version = -1;

  /** @param most answers held; one more and all are forgotten */
  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
  }

  /** @param ask only reads */
  get(key: K, ask: () => V): V {
    if (this.#version !== this.#store.version) this.#forget();
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = ask();
    if (this.#answers.size >= this.#most) this.#forget();
    this.#answers.set(key, answer);
    return answer;
  }

  #forget(): void {
    this.#version = this.#store.version;
    this.#answers.clear();
  }
}
