/**
 * What the light page draws. Everything else of an owner's gets the Dashboard's own page, for
 * everybody: at the Pi by the flows that run (`host/dashboard-files.ts`), in a page that is open by
 * what it is told after a deploy.
 */

/** A node of the flows, or what a page is told of it. */
export interface SetNode {
  readonly type: string;
}

const TYPES: ReadonlySet<string> = new Set(
  'ui-base ui-event ui-group ui-link ui-page ui-template ui-theme'.split(' '),
);

/** Settings that it knows one way of. */
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

/** What of the Dashboard's and of Vue's a part is given here; the Dashboard's own page has more. */
const GIVEN = [
  ...['socket', 'store\\.state\\.ui\\.pages', 'route', 'router\\.push'],
  ...['vuetify\\.theme\\.themes\\.nrdb', 'event', 'refs', 'el', 'nextTick', 'watch', 'emit'],
  ...['forceUpdate', 'attrs', 'slots', 'data', 'props', 'root'],
];

/** What a part asks for that is not here. */
const FOREIGN = [
  // Components and directives of Vuetify, but for its icons.
  /<v-(?!icon[\s>])/i,
  /\bv-(?:ripple|intersect|resize|scroll|touch)\b/,
  /<script[^>]*\ssrc\b/i,
  // What the Dashboard leaves in the window, and gives every component.
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
