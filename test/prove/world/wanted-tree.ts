/** The content of a file; null for a folder. */
export type Place = string | null;

/** A user's change, as they would request it of an awake NAS. */
export type Want =
  | { readonly kind: 'upload'; readonly path: string; readonly content: string }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'mkdir'; readonly path: string }
  | { readonly kind: 'move'; readonly path: string; readonly to: string };

/** A tree of files and folders, and the effect of each request on it: the whole reference. */
export class WantedTree {
  readonly places: Map<string, Place>;

  constructor(places: Iterable<readonly [string, Place]>) {
    this.places = new Map(places);
  }

  copy(): WantedTree {
    return new WantedTree(this.places);
  }

  /** Contents at and below a path. */
  contentsAt(path: string): readonly string[] {
    return [...this.places]
      .filter(([at]) => isAt(at, path))
      .flatMap(([, content]) => content ?? []);
  }

  apply(want: Want): void {
    switch (want.kind) {
      case 'upload':
        for (let at = above(want.path); at.includes('/'); at = above(at)) this.places.set(at, null);
        this.places.set(want.path, want.content);
        return;
      case 'mkdir':
        this.places.set(want.path, null);
        return;
      case 'delete':
        this.#take(want.path);
        return;
      case 'move':
        for (const [at, content] of this.#take(want.path)) {
          this.places.set(want.to + at.slice(want.path.length), content);
        }
    }
  }

  /** As text, for comparison. */
  get lines(): readonly string[] {
    return [...this.places]
      .map(([path, content]) => (content === null ? `${path}/` : `${path} = ${content}`))
      .sort();
  }

  #take(path: string): readonly (readonly [string, Place])[] {
    const taken = [...this.places].filter(([at]) => isAt(at, path));
    for (const [at] of taken) this.places.delete(at);
    return taken;
  }
}

export function isAt(at: string, path: string): boolean {
  return at === path || at.startsWith(`${path}/`);
}

export function above(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

export function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
