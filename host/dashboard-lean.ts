import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Language } from '../nodes/lib/words/words.ts';
import { isDrawn } from '../pages/dashboard/drawn.ts';

/** What the build made of the Dashboard's page without what our pages use none of (ADR 0049). */
export interface LeanFiles {
  /** What follows `/dashboard/`. */
  readonly script: string;
  readonly style: string;
  readonly font: string;
  /** Names of the icons that the font still has. */
  readonly icons: readonly string[];
  readonly light: LightFiles;
}

/** The page of our own, for flows that put templates alone on a page (ADR 0069). */
export interface LightFiles {
  /** One for each language, with our parts in its words. */
  readonly scripts: Readonly<Record<Language, string>>;
  readonly style: string;
  /** Fetched by a page with a part that is not ours. */
  readonly compiler: string;
  /** The parts in the scripts: the hash of each one's text, and its name there. */
  readonly parts: Readonly<Record<string, string>>;
}

/** A node of the running flows, as it is set. */
export interface SetNode {
  readonly type: string;
  readonly [property: string]: unknown;
}

interface Shown {
  readonly widgets?: Readonly<
    Record<string, { readonly props?: Readonly<Record<string, unknown>> }>
  >;
}

/** Tells the text of a part that was compiled from every other. */
export function partHash(format: string): string {
  return createHash('sha256').update(format).digest('base64url');
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
    const { script, style, font, light } = this.#files;
    const { scripts, compiler } = light;
    const all = [script, style, font, light.style, compiler, ...Object.values(scripts)];
    return all.includes(name);
  }

  /** Whether it shows all that these flows put on a page. */
  isEnoughFor(nodes: Iterable<SetNode>): boolean {
    for (const node of nodes) {
      if (!node.type.startsWith('ui-')) continue;
      if (!DRAWN.has(node.type) || !this.#hasIconsOf(node)) return false;
    }
    return true;
  }

  /** Whether the light page draws all of it. */
  isLightEnoughFor(nodes: Iterable<SetNode>): boolean {
    for (const node of nodes) {
      if (!isDrawn(node)) return false;
    }
    return true;
  }

  /**
   * @param html the Dashboard's page as it is sent otherwise
   * @param nodes those of the running flows
   */
  index(html: string, nodes: Iterable<SetNode>, language: Language): string {
    const { font, light } = this.#files;
    const ours = this.isLightEnoughFor(nodes) ? light.scripts[language] : undefined;
    const { script, style } =
      ours === undefined ? this.#files : { script: ours, style: light.style };
    return html
      .replace(/[ \t]*<link rel="modulepreload"[^>]*>\n/g, '')
      .replace(/src="[^"]*assets\/index-[^"]+\.js"/, `src="/dashboard/${script}"`)
      .replace(
        /<link rel="stylesheet"[^>]*>/,
        `<link rel="preload" as="font" type="font/woff2" crossorigin href="/dashboard/${font}">\n    ` +
          `<link rel="stylesheet" crossorigin href="/dashboard/${style}">`,
      );
  }

  /**
   * The Dashboard's configuration for a light page: by name what that page has of our parts, so that
   * they are neither sent nor compiled again.
   * @param script the script of the page, as it tells it; of another version or language it is sent all
   */
  named(config: unknown, script: unknown, language: Language): unknown {
    const { scripts, parts } = this.#files.light;
    if (script !== scripts[language] || typeof config !== 'object' || config === null)
      return config;
    const { widgets = {} } = config as Shown;
    const named = Object.entries(widgets).map(([id, widget]) => {
      const { format, ...props } = widget.props ?? {};
      const part = typeof format === 'string' ? parts[partHash(format)] : undefined;
      return [id, part === undefined ? widget : { ...widget, props: { ...props, part } }];
    });
    return { ...config, widgets: Object.fromEntries(named) as unknown };
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
