/** Paths that somebody is moving about on the NAS, so that nothing is delivered there meanwhile. */
export class PathLocks {
  readonly #taken = new Set<string>();

  /** @returns how to give them back, or null when one of them is taken */
  take(paths: readonly string[]): (() => void) | null {
    if (paths.some((path) => this.#taken.has(path))) return null;
    for (const path of paths) this.#taken.add(path);
    return () => {
      for (const path of paths) this.#taken.delete(path);
    };
  }

  has(path: string): boolean {
    return this.#taken.has(path);
  }
}
