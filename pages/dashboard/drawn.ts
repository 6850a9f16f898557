/**
 * What the light page can draw. Anything else makes everybody get the Dashboard's own page: the Pi
 * checks the running flows (`host/dashboard-files.ts`), an open page what it is sent after a deploy.
 */

/** A node of the flows, or its description as sent to a page. */
export interface SetNode {
  readonly type: string;
}

const TYPES: ReadonlySet<string> = new Set(
  'ui-base ui-event ui-group ui-link ui-page ui-template ui-theme'.split(' '),
);

/** Settings of which the light page supports these values only. */
const ONLY: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  'ui-base': {
    allowInstall: [false],
    appIcon: [''],
    headerContent: ['page'],
    navigationStyle: ['none'],
    titleBarStyle: ['default'],
  },
  'ui-group': { groupType: ['default', undefined] },
  'ui-page': { layout: ['grid'] },
};

/** What a part gets here of the Dashboard and of Vue; the Dashboard's own page offers more. */
const GIVEN = [
  ...['socket', 'store\\.state\\.ui\\.pages', 'route', 'router\\.push'],
  ...['vuetify\\.theme\\.themes\\.nrdb', 'event', 'refs', 'el', 'nextTick', 'watch', 'emit'],
  ...['forceUpdate', 'attrs', 'slots', 'data', 'props', 'root'],
];

/** What a part may use that is not available here. */
const FOREIGN = [
  // Components and directives of Vuetify, but for its icons.
  /<v-(?!icon[\s>])/i,
  /\bv-(?:ripple|intersect|resize|scroll|touch)\b/,
  /<script[^>]*\ssrc\b/i,
  // Globals and properties that the Dashboard provides.
  /\b(?:Vue|vuex)\./,
  /\b(?:getProperty|setDynamicProperties|updateDynamicProperty)\b/,
  new RegExp(`\\$(?=[a-zA-Z_])(?!(?:${GIVEN.join('|')})\\b)`),
];

/** @returns whether the light page shows all of this node */
export function isDrawn(node: SetNode): boolean {
  if (!node.type.startsWith('ui-')) return true;
  if (!TYPES.has(node.type)) return false;
  const settings: Readonly<Record<string, unknown>> = { ...node };
  for (const [setting, values] of Object.entries(ONLY[node.type] ?? {})) {
    if (!values.includes(settings[setting])) return false;
  }
  const { format } = settings;
  return typeof format !== 'string' || !FOREIGN.some((pattern) => pattern.test(format));
}
