interface Themed {
  readonly theme?: string;
}

interface PageConfig {
  readonly pages?: Readonly<Record<string, Themed>>;
  readonly themes?: Readonly<Record<string, unknown>>;
}

/**
 * The Dashboard's configuration with the dark twin of each page's theme, for a reader who likes it
 * dark. A theme's twin has the same id with `-dark` behind it; without one the page stays as it is.
 */
export function inLook(look: 'dark' | 'light', config: unknown): unknown {
  if (look === 'light' || typeof config !== 'object' || config === null) return config;
  const { pages = {}, themes = {} } = config as PageConfig;
  const darkened = Object.entries(pages).map(([id, page]) => {
    const twin = `${page.theme ?? ''}-dark`;
    return [id, Object.hasOwn(themes, twin) ? { ...page, theme: twin } : page];
  });
  return { ...config, pages: Object.fromEntries(darkened) as unknown };
}
