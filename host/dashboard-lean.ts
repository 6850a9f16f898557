import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the build made of the Dashboard's page without what our pages use none of (ADR 0049). */
export interface LeanFiles {
  /** What follows `/dashboard/`. */
  readonly script: string;
  readonly style: string;
  readonly font: string;
  /** Names of the icons that the font still has. */
  readonly icons: readonly string[];
}

/** A node of the running flows, as it is set. */
export interface SetNode {
  readonly type: string;
  readonly [property: string]: unknown;
}

/** The Dashboard's own that the lean page can draw; charts, gauges, Markdown and others' it cannot. */
const DRAWN: ReadonlySet<string> = new Set(
  (
    'audio base button button-group control dropdown event file-input form group iframe link ' +
    'notification number-input page progress radio-group slider spacer switch table template text ' +
    'text-input theme'
  )
    .split(' ')
    .map((name) => `ui-${name}`),
);

/** Their icons stand in the Dashboard's own menu, which we do not show. */
const IN_MENU: ReadonlySet<string> = new Set(['ui-page', 'ui-link']);

const ICON = /\bmdi-[a-z0-9-]+/g;

/** The lean copy of the Dashboard's page, and for whom it is enough. */
export class LeanPage {
  readonly #files: LeanFiles;
  readonly #icons: ReadonlySet<string>;

  private constructor(files: LeanFiles) {
    this.#files = files;
    this.#icons = new Set(files.icons);
  }

  /** @returns null where the build made none */
  static read(packedFolder: string): LeanPage | null {
    const file = join(packedFolder, 'lean.json');
    if (!existsSync(file)) return null;
    return new LeanPage(JSON.parse(readFileSync(file, 'utf8')) as LeanFiles);
  }

  has(name: string): boolean {
    const { script, style, font } = this.#files;
    return name === script || name === style || name === font;
  }

  /** Whether it shows all that these flows put on a page. */
  isEnoughFor(nodes: Iterable<SetNode>): boolean {
    for (const node of nodes) {
      if (!node.type.startsWith('ui-')) continue;
      if (!DRAWN.has(node.type) || !this.#hasIconsOf(node)) return false;
    }
    return true;
  }

  /** @param html the Dashboard's page as it is sent otherwise */
  index(html: string): string {
    const { script, style, font } = this.#files;
    return html
      .replace(/[ \t]*<link rel="modulepreload"[^>]*>\n/g, '')
      .replace(/src="[^"]*assets\/index-[^"]+\.js"/, `src="/dashboard/${script}"`)
      .replace(
        /<link rel="stylesheet"[^>]*>/,
        `<link rel="preload" as="font" type="font/woff2" crossorigin href="/dashboard/${font}">\n    ` +
          `<link rel="stylesheet" crossorigin href="/dashboard/${style}">`,
      );
  }

  /** An icon is named with `mdi-` before it or without. */
  #hasIconsOf(node: SetNode): boolean {
    const { icon, type } = node;
    const named = JSON.stringify(node).match(ICON) ?? [];
    const own = typeof icon === 'string' && icon !== '' && !IN_MENU.has(type) ? [icon] : [];
    return [...named, ...own.map((name) => (name.startsWith('mdi-') ? name : `mdi-${name}`))].every(
      (name) => this.#icons.has(name),
    );
  }
}
