import {
  type Component,
  computed,
  defineComponent,
  h,
  onMounted,
  onUnmounted,
  type PropType,
  ref,
  type VNode,
  watch,
} from 'vue';
import type { Place } from './place.ts';
import type { PageSocket } from './template.ts';
import { stylesOf, themeOf } from './theme.ts';
import type { Group, Message, Told, UiPage, Widget } from './told.ts';

/** Default column counts by page width. */
const BREAKPOINTS: NonNullable<UiPage['breakpoints']> = [
  { px: 0, cols: 3 },
  { px: 576, cols: 6 },
  { px: 768, cols: 9 },
  { px: 1024, cols: 12 },
];

/** As Vuetify names the sizes of an icon. */
const ICON_SIZES: Readonly<Record<string, string>> = {
  ...{ 'x-small': '1em', small: '1.25em', default: '1.5em', large: '1.75em', 'x-large': '2em' },
};

/** An icon of the font, by its name. */
export const Icon = defineComponent({
  props: { size: { type: [String, Number], default: 'default' }, icon: String },
  setup(props, { slots }) {
    return (): VNode => {
      const [said] = slots['default']?.() ?? [];
      const name = props.icon ?? (typeof said?.children === 'string' ? said.children.trim() : '');
      const size = ICON_SIZES[props.size] ?? `${parseFloat(String(props.size))}px`;
      const style = { fontSize: size, width: size, height: size };
      return h('i', { class: ['v-icon notranslate mdi', name], style, 'aria-hidden': 'true' });
    };
  },
});

function spanOf(width: unknown): string {
  return `span min(${Number(width) || 1}, var(--layout-columns))`;
}

/** How many columns the page has at this width. */
function columnsOf(page: UiPage | undefined, width: number): number {
  const all = page?.breakpoints?.length ? page.breakpoints : BREAKPOINTS;
  const fit = [...all].sort((a, b) => +a.px - +b.px).filter(({ px }) => width >= +px);
  return Number(fit.at(-1)?.cols ?? 3);
}

/** Reports the viewed page to the flows. */
function eventWidget(told: Told, place: Place, socket: PageSocket): Component {
  return defineComponent({
    props: { widget: { type: Object as PropType<Widget>, required: true } },
    setup({ widget: { id } }) {
      const say = (topic: string, pageId: string): void => {
        const { query } = place.route;
        const page = told.config.pages[pageId] ?? {};
        socket.emit('ui-event', id, { topic, payload: { page, query } });
      };
      const now = (): string => place.route.meta.id;
      say('$pageview', now());
      const stop = watch(now, (here, before) => {
        say('$pageleave', before);
        say('$pageview', here);
      });
      onUnmounted(() => {
        stop();
        say('$pageleave', now());
      });
      return () => null;
    },
  });
}

/** One widget: requests its stored message and handles new ones. */
function widgetOf(
  told: Told,
  socket: PageSocket,
  drawn: Readonly<Record<string, Component>>,
): Component {
  return defineComponent({
    props: { widget: { type: Object as PropType<Widget>, required: true } },
    setup(props) {
      const { id, type } = props.widget;
      const listeners: readonly (readonly [string, (...args: never[]) => void])[] = [
        [`msg-input:${id}`, (message: Message) => told.hear(id, message)],
        [`widget-load:${id}`, (message: Message, state: Message) => told.load(id, message, state)],
        ['connect', () => socket.emit('widget-load', id)],
      ];
      for (const [event, listener] of listeners) socket.on(event, listener);
      onMounted(() => socket.emit('widget-load', id));
      onUnmounted(() => {
        for (const [event, listener] of listeners) socket.off(event, listener);
      });
      const kind = drawn[type];
      return (): VNode | null => (kind === undefined ? null : h(kind, { widget: props.widget }));
    },
  });
}

type Style = Readonly<Record<string, string>>;
/** @param rows the widget's height; 0 to fit its content */
type Put = (widget: Widget, rows?: number) => VNode;

/** One object per height: a new one each time would redraw every widget. */
const heights = new Map<number, Style>();

function heightOf(rows: number): Style | undefined {
  if (rows > 0 && !heights.has(rows)) heights.set(rows, { gridRowEnd: `span ${rows}` });
  return heights.get(rows);
}

/** How many columns there are for a page, as wide as the window is now. */
function useColumns(page: () => UiPage | undefined): () => number {
  const width = ref(window.innerWidth);
  onMounted(() => {
    window.addEventListener('resize', () => {
      width.value = window.innerWidth;
    });
  });
  return () => columnsOf(page(), width.value);
}

/** The page: its head, its groups on a grid, and the widgets of all pages. */
export function layoutOf(
  told: Told,
  place: Place,
  socket: PageSocket,
  template: Component,
): Component {
  const drawn = { 'ui-template': template, 'ui-event': eventWidget(told, place, socket) };
  const Placed = widgetOf(told, socket, drawn);
  const put: Put = (widget, rows = 0) =>
    h(Placed, { key: widget.id, widget, style: heightOf(rows) });
  return defineComponent({
    setup() {
      const page = computed(() => told.config.pages[place.route.meta.id]);
      const columns = useColumns(() => page.value);
      return (): VNode | null => {
        const theme = themeOf(told.config, place.route.meta.id);
        if (page.value === undefined || theme === undefined) return null;
        const style = { ...stylesOf(theme), '--layout-columns': String(columns()) };
        const density = `nrdb-view-density--${theme.sizes['density'] ?? 'default'}`;
        const app = ['nrdb-app nrdb-app--baseline v-application v-theme--nrdb', density];
        return h('div', { class: app, style }, [
          headNode(place.route.meta.title),
          mainNode(told, page.value, put),
        ]);
      };
    },
  });
}

function mainNode(told: Told, { id, className }: UiPage, put: Put): VNode {
  const groups = told.groupsOf(id).map((group) => groupNode(told, group, put));
  const classes = ['nrdb-layout--grid nrdb-ui-page', className];
  return h('main', { class: 'v-main' }, [
    h('div', { key: id, id: `nrdb-page-${id}`, class: classes }, groups),
    h(
      'div',
      told.widgetsOf({ page: id }).map((widget) => put(widget)),
    ),
    h(
      'div',
      { class: 'nrdb-layout-overlay' },
      told.widgetsOf('all').map((widget) => put(widget)),
    ),
  ]);
}

function headNode(title: string): VNode {
  return h('header', { class: 'v-app-bar v-toolbar' }, [
    h('div', { class: 'v-toolbar__content' }, [
      h('div', { class: 'v-toolbar-title v-app-bar-title' }, [
        h('div', { class: 'v-toolbar-title__placeholder' }, [
          title,
          h('div', { id: 'app-bar-title' }),
        ]),
      ]),
      h('div', { class: 'v-toolbar__append' }, [h('div', { id: 'app-bar-actions' })]),
    ]),
  ]);
}

function groupNode(told: Told, group: Group, put: Put): VNode {
  const { id, name, className, width, showTitle, disabled } = group;
  const columns = `repeat(min(${Number(width) || 1}, var(--layout-columns)), 1fr)`;
  const title = h('div', { class: 'v-card-item' }, [h('div', { class: 'v-card-title' }, name)]);
  const widgets = told.widgetsIn(id).map((widget) => widgetNode(told, group, widget, put));
  return h(
    'div',
    {
      ...{ key: id, id: `nrdb-ui-group-${id}`, class: ['nrdb-ui-group', className] },
      ...(disabled === true ? { disabled: 'disabled' } : {}),
      style: { gridColumnEnd: spanOf(width) },
    },
    [
      h('div', { class: 'v-card bg-group-background' }, [
        showTitle ? title : null,
        h('div', { class: 'v-card-text' }, [
          h(
            'div',
            { class: 'nrdb-layout-group--grid', style: { gridTemplateColumns: columns } },
            widgets,
          ),
        ]),
      ]),
    ],
  );
}

function widgetNode(told: Told, group: Group, widget: Widget, put: Put): VNode {
  const { className, width, height } = widget.props;
  const state = told.states[widget.id] ?? {};
  const rows = Number(height) || 0;
  const style = {
    gridColumnEnd: spanOf(Number(width) || group.width),
    ...(rows > 0
      ? {
          gridRowEnd: `span ${rows}`,
          gridTemplateRows: `repeat(${rows}, var(--widget-row-height))`,
        }
      : {}),
    ...(state['visible'] === false ? { display: 'none' } : {}),
  };
  const classes = ['nrdb-ui-widget', `nrdb-${widget.type}`, className, state['class']];
  return h('div', { key: widget.id, id: `nrdb-ui-widget-${widget.id}`, class: classes, style }, [
    put(widget, rows),
  ]);
}
