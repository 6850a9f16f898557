interface Themed {
  readonly theme?: string;
  readonly className?: string;
}

interface Placed {
  readonly className?: string;
  readonly page?: string;
  readonly props?: { readonly group?: string; readonly page?: string };
}

interface PageConfig {
  readonly pages?: Readonly<Record<string, Themed>>;
  readonly groups?: Readonly<Record<string, Placed>>;
  readonly widgets?: Readonly<Record<string, Placed>>;
  readonly themes?: Readonly<Record<string, unknown>>;
}

/** The class of a page or group that nobody but an admin is to know of. */
const FOR_ADMINS = /(?:^|\s)for-admins(?:\s|$)/;

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

/** The Dashboard's configuration without the pages and groups of class `for-admins`. */
export function withoutAdmins(config: unknown): unknown {
  if (typeof config !== 'object' || config === null) return config;
  const { pages = {}, groups = {}, widgets = {} } = config as PageConfig;
  const keptPages = kept(pages, ({ className }) => !isForAdmins(className));
  const has = (all: object, id: string | undefined): boolean =>
    id === undefined || id === '' || Object.hasOwn(all, id);
  const keptGroups = kept(
    groups,
    ({ className, page }) => !isForAdmins(className) && has(keptPages, page),
  );
  const keptWidgets = kept(
    widgets,
    ({ props }) => has(keptGroups, props?.group) && has(keptPages, props?.page),
  );
  return { ...config, pages: keptPages, groups: keptGroups, widgets: keptWidgets };
}

function isForAdmins(className: string | undefined): boolean {
  return FOR_ADMINS.test(className ?? '');
}

function kept<T>(
  all: Readonly<Record<string, T>>,
  keeps: (one: T) => boolean,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(all).filter(([, one]) => keeps(one)));
}
